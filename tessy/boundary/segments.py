"""Segments of thinking: what an annotator sees, and what a boundary predictor learns from."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from tessy.boundary.words import words
from tessy.errors import DataError
from tessy.records import Record

Split = Literal["train", "validation"]


@dataclass(frozen=True)
class Segment(Record):
    """Consecutive words of the thinking in response `repeat` to a question."""

    question_id: str
    repeat: int
    start: int  # words of the thinking before it
    text: str  # verbatim, with the whitespace before its first word

    @property
    def name(self) -> str:
        return f"{self.question_id}#{self.repeat}@{self.start}"


@dataclass(frozen=True)
class LabelledSegment(Record):
    """A segment whose words are marked: 1 style, 0 capability, one for each of `words(text)`."""

    question_id: str
    repeat: int
    start: int
    text: str
    labels: tuple[int, ...]
    split: Split


def cut(
    thinking: str, question_id: str, repeat: int, length: int, at_most: int, seed: int
) -> list[Segment]:
    """Random segments of one thinking, in its order; they do not overlap.

    The thinking is divided into stretches of `length` words from a random word on, what is left
    over at both ends being shorter stretches, and some of them are drawn.

    Args:
        thinking: text of a closed or unclosed thinking.
        question_id, repeat: which response it is of.
        length: words of a segment.
        at_most: segments that are drawn.
        seed: with question and repeat it determines the draw.
    """
    pieces = words(thinking)
    draw = random.Random(f"{seed}/{question_id}/{repeat}/segments")
    borders = sorted({0, *range(draw.randrange(length), len(pieces), length), len(pieces)})
    stretches = list(pairwise(borders))
    chosen = sorted(draw.sample(stretches, min(at_most, len(stretches))))
    return [Segment(question_id, repeat, a, "".join(pieces[a:b])) for a, b in chosen]


def validation_questions(question_ids: Iterable[str], share: float, seed: int) -> frozenset[str]:
    """The questions of the validation split: `share` of them, at least one, by a seeded hash.

    Splitting by question keeps what a model says twice about one question out of the measure.

    Raises:
        DataError: fewer than two questions cannot be split.
    """
    different = set(question_ids)
    if len(different) < 2:
        raise DataError(
            f"usable segments of {len(different)} question cannot be split into training and "
            "validation questions",
            "sample more: raise predictor.segments or questions.unique",
        )
    count = min(len(different) - 1, max(1, round(share * len(different))))
    return frozenset(sorted(different, key=lambda q: (_hash(seed, q), q))[:count])


def labelled(
    segments: Sequence[tuple[Segment, Sequence[int]]], share: float, seed: int
) -> list[LabelledSegment]:
    """Segments with their word labels, assigned to the splits (see `validation_questions`)."""
    held_out = validation_questions((s.question_id for s, _ in segments), share, seed)
    return [
        LabelledSegment(
            s.question_id,
            s.repeat,
            s.start,
            s.text,
            tuple(labels),
            "validation" if s.question_id in held_out else "train",
        )
        for s, labels in segments
    ]


def _hash(seed: int, question_id: str) -> bytes:
    return hashlib.blake2b(f"{seed}\0{question_id}\0split".encode(), digest_size=8).digest()
