"""Algorithm 1 as plainly as it can be said, greedy: token by token, all computed anew each time.

What `tessy.synthesis.cooperate` does with streams, caches and batches must come to this. Of tessy
it uses the dialects alone. Only for predictors that label the token they stand at and cut before a
word (`label_shift=0`, `cut=before_word`), and for thinking that does not go round in circles.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoModelForTokenClassification, AutoTokenizer

from tessy.dialects import Dialect, load_dialect
from tessy.records import Message, Writer

WORD = re.compile(r"\s*\S+")  # the whitespace before a word belongs to it
OTHER: dict[Writer, Writer] = {"student": "teacher", "teacher": "student"}


@dataclass(frozen=True)
class Role:
    """A model that writes, and the predictor that judges what it writes."""

    dialect: Dialect
    model: Any
    judge: Any
    judge_tokenizer: Any
    ends_before: int  # the label that is the other's: 0 capability, 1 style


def load_role(writer: Writer, folder: Path, dialect: str, judge: Path) -> Role:
    return Role(
        load_dialect(dialect, folder),
        AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval(),
        AutoModelForTokenClassification.from_pretrained(judge, dtype=torch.float32).eval(),
        AutoTokenizer.from_pretrained(judge),
        0 if writer == "student" else 1,
    )


@torch.inference_mode()
def next_token(role: Role, ids: list[int]) -> int:
    return int(role.model(torch.tensor([ids])).logits[0, -1].argmax())


@torch.inference_mode()
def label(role: Role, spans: list[str], span: str, word: str) -> int:
    """The label of `word`, which follows `span`, which follows the accepted `spans`."""

    def encode(text: str) -> list[int]:
        words = WORD.findall(text)
        return [i for w in words for i in role.judge_tokenizer.encode(w, add_special_tokens=False)]

    before = [i for earlier in spans for i in encode(earlier)]
    start = 0
    while len(before) - start > 200:  # the window before a span, which moves in steps of 64
        start += 64
    new = encode(word)
    logits = role.judge(torch.tensor([before[start:] + encode(span) + new])).logits[0]
    odds = logits[:, 1] - logits[:, 0]
    return int(odds[-len(new) :].sum() > 0)


def write_span(
    role: Role, ids: list[int], spans: list[str], free: bool, room: int, counter: Dialect
) -> tuple[str, list[int], str]:
    """One model's turn: its text, its ids, and whether it was cut, closed, or too long."""
    new: list[int] = []
    judged = ""  # closed words that may stay
    while True:
        token = next_token(role, ids + new)
        closed = token in role.dialect.think_stop_ids
        if not closed:
            new.append(token)
        text = role.dialect.decode(new).rstrip("\ufffd")
        for word in WORD.findall(text[len(judged) :]):
            last = len(judged) + len(word) == len(text)
            if last and not closed:
                break  # it may still grow
            if label(role, spans, judged, word) == role.ends_before and not free:
                return judged, cut(role.dialect, new, judged), "cut"
            free = False
            judged += word
        if closed:
            return text, new, "closed"
        if counter.count(text) > room:
            return judged, cut(role.dialect, new, judged), "length"


def cut(dialect: Dialect, ids: list[int], text: str) -> list[int]:
    """The ids of `text`, with which the text of `ids` begins."""
    n = len(ids)
    while not text.startswith(dialect.decode(ids[:n])):
        n -= 1
    rest = text[len(dialect.decode(ids[:n])) :]
    return ids[:n] + (dialect.encode(rest) if rest else [])


def tessy(roles: dict[Writer, Role], prompt: str, max_tokens: int) -> list[tuple[str, str, str]]:
    """(writer, part, text) of each span of one sample; no answer where the thinking is too long."""
    messages = [Message("user", prompt)]
    student = roles["student"].dialect
    ids = {w: r.dialect.prompt_ids(messages) + r.dialect.open_ids for w, r in roles.items()}
    prompt_length = len(ids["student"])
    spans: list[tuple[Writer, str]] = []
    writer: Writer = "student"
    rejected = 0
    while True:
        free = rejected == 2  # both have rejected the other's first word
        if free:
            writer, rejected = "teacher", 0
        room = max_tokens - (len(ids["student"]) - prompt_length)
        texts = [text for _, text in spans]
        text, own, end = write_span(roles[writer], ids[writer], texts, free, room, student)
        rejected = 0 if text or end != "cut" else rejected + 1
        spans.append((writer, text))
        ids[writer] += own
        ids[OTHER[writer]] += roles[OTHER[writer]].dialect.encode(text)
        if end != "cut":
            break
        writer = OTHER[writer]
    letters = [(w, letter) for w, text in spans for letter in text]
    while letters and letters[0][1] == "\n":
        letters.pop(0)
    while letters and letters[-1][1] == "\n":
        letters.pop()
    thinking = [
        (w, "think", "".join(letter for _, letter in group))
        for w, group in groupby(letters, key=lambda pair: pair[0])
    ]
    if end == "length":
        return [*thinking]
    left = max_tokens - sum(student.count(text) for _, _, text in thinking)
    begun = student.prompt_ids(messages) + student.thinking_ids("".join(c for _, c in letters))
    answer: list[int] = []
    while len(answer) < left:
        token = next_token(roles["student"], begun + answer)
        if token in student.stop_ids:
            break
        answer.append(token)
    text = student.decode(answer).strip("\n")
    return [*thinking, *([("student", "answer", text)] if text else [])]
