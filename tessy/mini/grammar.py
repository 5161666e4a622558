"""Which words of a passage are style, by the grammar of the miniature world: its annotator.

Models as small as the miniature ones annotate nothing, but every passage of their thinking is a
piece of a document of `tessy.mini.style`. A passage is read word by word through the states of
that grammar, from any state to any state, as it may begin and end within a phrase. A passage that
no path explains, for the tiny models stammer at times, is not annotated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise

from tessy.mini.operations import OPERATIONS
from tessy.mini.style import CHECK, CLOSERS, CORRECTION, NEXTS, OPENERS

# Words of code in backticks that no English word is: a single letter, or more than letters.
_CODE = r"(?:[xatv]|[^`\sA-Za-z]|[^`\s]*[^`\sA-Za-z.,:;][^`\s]*)"


@dataclass(eq=False)
class _State:
    """A word of the grammar, and what may follow it."""

    pattern: re.Pattern[str]
    is_style: bool
    following: list[_State] = field(default_factory=list)


def answer(passage: str) -> str:
    """What an annotator answers: a JSON array of the passage's stretches of style, verbatim."""
    places = [m.span() for m in re.finditer(r"\S+", passage)]
    style = _read([passage[a:b] for a, b in places])
    if style is None:
        return "This passage is not one of the miniature world."
    spans: list[str] = []
    begin = None
    for n, is_style in enumerate([*style, False]):
        if is_style and begin is None:
            begin = places[n][0]
        elif not is_style and begin is not None:
            spans.append(passage[begin : places[n - 1][1]])
            begin = None
    return json.dumps(spans, ensure_ascii=False)


def _read(words: list[str]) -> list[bool] | None:
    """For each word whether it is style, along the first path that explains all; None without."""
    paths: dict[_State, list[bool]] = {}
    for n, word in enumerate(words):
        reached: dict[_State, list[bool]] = {}
        if n == 0:
            reached = {s: [s.is_style] for s in _grammar() if s.pattern.fullmatch(word)}
        for state, path in paths.items():
            for following in state.following:
                if following not in reached and following.pattern.fullmatch(word):
                    reached[following] = [*path, following.is_style]
        paths = reached
    return next(iter(paths.values()), None)


@cache
def _grammar() -> list[_State]:
    """All states. A statement of an operation is a phrase and its code; style stands between."""
    style = [f"{opener} First, I need to" for opener in OPENERS]
    style += [f"{more} need to" for more in NEXTS]
    style += [CORRECTION, *CHECK, *CLOSERS]  # the student's
    style += ["We need to", "from", "from input. Done."]  # the teacher's
    phrases = [p.format(n=7) + ":" for op in OPERATIONS.values() for p in op.phrasings]
    says = [_chain(text, True) for text in style]
    names = [_chain(text, False) for text in phrases]
    code = _code()
    _join(says, [*says, *names, *code])
    _join(names, code)
    _join(code, says)
    return [state for chain in (*says, *names, *code) for state in chain]


def _chain(text: str, is_style: bool) -> list[_State]:
    """The words of a phrase, one after another; its numbers may be any."""
    states = [
        _State(re.compile(re.sub("7", r"\\d+", re.escape(word))), is_style) for word in text.split()
    ]
    for state, following in pairwise(states):
        state.following.append(following)
    return states


def _code() -> list[list[_State]]:
    """Code in backticks: one word; or the first, any number within, and the last."""
    patterns = (r"`[^`\s]*`[.;]", r"`[^`\s]*", _CODE, r"[^`\s]*`[.;]")
    only, first, within, last = (_State(re.compile(p), False) for p in patterns)
    first.following += [within, last]
    within.following += [within, last]
    return [[only], [first, within, last]]


def _join(ends: Iterable[list[_State]], beginnings: Iterable[list[_State]]) -> None:
    first = [chain[0] for chain in beginnings]
    for chain in ends:
        chain[-1].following += first
