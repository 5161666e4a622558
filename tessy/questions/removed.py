"""What is left out of a pool of questions: listed beside it, each with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tessy.records import Record

Reason = Literal[
    "bad_line",
    "near_duplicate",
    "not_contest",
    "not_yes_or_no",
    "truncated",
    "failed",
    "contaminated",
]


@dataclass(frozen=True)
class Removed(Record):
    """A question, or where it has no id the line of a file, and why it is left out."""

    question_id: str
    reason: Reason
    of: str = ""  # the question that it repeats, or the benchmark and problem that it overlaps
    said: str = ""  # the words that they share, how similar they are, or what is wrong
