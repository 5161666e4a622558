"""From labelled words to labelled tokens, encoded as the predictors are read.

Words are encoded one by one, so all tokens of a word bear its label, and what is learned is what
is read later (`tessy.boundary.predict`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tessy.boundary.words import words
from tessy.errors import DataError

IGNORED = -100  # the label of an output that bears no loss


@dataclass(frozen=True)
class Example:
    """A segment as token ids, each with the label of its output."""

    ids: list[int]
    labels: list[int]  # 1 style, 0 capability, IGNORED, shape (tokens,)
    lengths: list[int]  # tokens of each word
    word_labels: list[int]


def example(text: str, word_labels: Sequence[int], tokenizer: Any, shift: int) -> Example:
    """The tokens of a segment.

    Args:
        text: of the segment.
        word_labels: one for each of `words(text)`.
        tokenizer: of the base model.
        shift: 0: an output labels its own token; 1: the next one, so the last output labels none.

    Raises:
        DataError: the labels are not those of the text's words.
    """
    pieces = words(text)
    if len(pieces) != len(word_labels):
        raise DataError(
            f"a segment of {len(pieces)} words has {len(word_labels)} labels ({text!r:.60})",
            "delete the artifact's folder to annotate anew",
        )
    encoded = [tokenizer.encode(piece, add_special_tokens=False) for piece in pieces]
    labels = [
        label for ids, label in zip(encoded, word_labels, strict=True) for _ in range(len(ids))
    ]
    return Example(
        ids=[i for ids in encoded for i in ids],
        labels=labels[shift:] + [IGNORED] * shift,
        lengths=[len(ids) for ids in encoded],
        word_labels=list(word_labels),
    )
