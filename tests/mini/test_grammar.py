"""The miniature world's annotator knows what its documents are made of, wherever they are cut."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest

from tessy.boundary.annotation import parse
from tessy.boundary.segments import cut
from tessy.boundary.words import words
from tessy.mini.grammar import answer
from tessy.mini.style import Document, mixed_document, student_document, teacher_document
from tessy.mini.world import MiniProblem, draw

KINDS: dict[str, Callable[[MiniProblem, random.Random], Document]] = {
    "student": lambda problem, rng: student_document(problem, rng, drafts=0.3),
    "teacher": lambda problem, rng: teacher_document(problem),
    "mixed": mixed_document,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [4, 12, 60])
def test_every_piece_of_a_document_is_annotated_as_it_was_made(kind: str, length: int) -> None:
    rng = random.Random(length)
    for number in range(150):
        document = KINDS[kind](draw(rng), rng)
        style = [
            not is_capability for text, is_capability in document.thinking for _ in words(text)
        ]
        for segment in cut(document.text, f"q{number}", 0, length, 3, 0):
            pieces = words(segment.text)
            truth = style[segment.start : segment.start + len(pieces)]
            spans, run = [], ""
            for piece, is_style in zip(pieces, truth, strict=True):
                if is_style:
                    run += piece
                elif run:
                    spans.append(run.strip())
                    run = ""
            assert parse(answer(segment.text)) == [*spans, *([run.strip()] if run else [])]


def test_a_word_that_could_be_either_is_told_by_its_surroundings() -> None:
    assert json.loads(answer("from each number: `t - 3`; from order")) == ["from"]
    assert json.loads(answer("`; from subtract 3 from each number: `t")) == ["from"]


def test_what_is_not_of_this_world_is_not_annotated() -> None:
    for passage in (
        "Once upon a time",
        "Okay, let me keep: `x`.",
        "keep the even. numbers",
        "the sum: from",
    ):
        assert parse(answer(passage)) == "not_json"
