"""Annotations: what is asked of an annotator, and how its answer becomes labels of words.

The criteria are the paper's (section 3.2). An answer is a JSON array of verbatim spans of style in
their order; one that cannot be read or located is dropped, and counted by its reason.
"""

from __future__ import annotations

import json
import re
from typing import Any, Literal

from tessy.boundary.words import words

Reason = Literal["not_json", "not_strings", "not_found", "out_of_order", "truncated", "failed"]

INSTRUCTION = """\
Below is a passage from the private reasoning of a language model that works on a problem. Mark \
every phrase in it that carries style and no substance: transitions, fillers, and words that set \
a tone.

Mark:
- hesitation, tone and attitude ("Hmm", "Okay, let me see", "I am not so sure about this");
- transitions and set-ups ("But wait,", "Next, I need to", "Alternatively,", "So now");
- narration of the reasoning itself ("Let me go over that again", "That is all for this part").

Never mark:
- deductions, facts, conditions and results, however short;
- code, identifiers, numbers, formulas;
- steps of the solution: what is computed, compared, chosen or proved.

If a sentence begins with style and goes on with substance, mark the beginning only.

Answer with nothing but a JSON array of strings: the marked phrases, copied character by \
character, in the order in which they occur in the passage. If there are none, answer [].

The passage:
"""


def request(text: str) -> str:
    """The user message that asks for the annotation of a segment."""
    return f"{INSTRUCTION}<passage>\n{text.strip()}\n</passage>"


def parse(answer: str) -> list[str] | Reason:
    """The spans that an answer lists, or why it cannot be used.

    The array may stand alone, in a fence, or after other text: the last array of strings counts
    that is not inside another one. Strings that are blank are refused, as they mark nothing.
    """
    arrays = _arrays(answer)
    if not arrays:
        return "not_json"
    for array in reversed(arrays):
        if all(isinstance(item, str) and item.strip() for item in array):
            return array
    return "not_strings"


def word_labels(text: str, spans: list[str]) -> list[int] | Reason:
    """Labels of `words(text)`, 1 in a span and 0 outside, or why the spans cannot be located.

    Each span must occur after the end of the one before it. It must cover all letters and digits
    of every word that it touches, so "so" is not found in "also", but is in "(so,". Whitespace in
    a span stands for any whitespace in the text: line breaks rarely survive the annotator's JSON.
    """
    bounds, at = [], 0
    for word in words(text):
        at += len(word)
        bounds.append((at - len(word.lstrip()), at))
    labels = [0] * len(bounds)
    end = 0
    for span in spans:
        found = _find(text, span, end, bounds)
        if found is None:
            return "not_found" if _find(text, span, 0, bounds) is None else "out_of_order"
        first, last, end = found
        labels[first : last + 1] = [1] * (last + 1 - first)
    return labels


def _arrays(answer: str) -> list[list[Any]]:
    """All JSON arrays of a text that are not inside another one."""
    decoder = json.JSONDecoder()
    found: list[list[Any]] = []
    at = answer.find("[")
    while at >= 0:
        try:
            array, end = decoder.raw_decode(answer, at)
        except (ValueError, RecursionError):  # a looping annotator writes "[[[[..."
            end = at + 1
        else:
            found.append(array)
        at = answer.find("[", end)
    return found


def _find(
    text: str, span: str, start: int, bounds: list[tuple[int, int]]
) -> tuple[int, int, int] | None:
    """First word, last word and end in characters of the first occurrence from `start` on."""
    pattern = re.compile(r"\s+".join(map(re.escape, span.split())))
    match = pattern.search(text, start)
    while match:
        begin, end = match.span()
        first = next(n for n, (_, word_end) in enumerate(bounds) if word_end > begin)
        last = next(n for n, (_, word_end) in enumerate(bounds) if word_end >= end)
        around = text[bounds[first][0] : begin] + text[end : bounds[last][1]]
        if not any(c.isalnum() for c in around):
            return first, last, end
        match = pattern.search(text, begin + 1)
    return None
