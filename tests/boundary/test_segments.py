"""Segments are cut at word borders, seeded, and divided by question."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tessy.boundary.segments import cut, labelled, validation_questions
from tessy.boundary.words import words
from tessy.errors import DataError


@given(st.text(alphabet="ab \n."), st.integers(1, 9), st.integers(1, 4), st.integers(0, 5))
def test_segments_are_stretches_of_words_that_do_not_overlap(
    text: str, length: int, at_most: int, seed: int
) -> None:
    found = cut(text, "q", 1, length, at_most, seed)
    pieces = words(text)
    assert len(found) <= at_most and bool(found) == bool(pieces)
    end = 0
    for segment in found:
        n = len(words(segment.text))
        assert 1 <= n <= length and segment.start >= end
        end = segment.start + n
        assert segment.text == "".join(pieces[segment.start : end])
        assert (segment.question_id, segment.repeat) == ("q", 1)
    assert found == cut(text, "q", 1, length, at_most, seed)


def test_where_segments_lie_depends_on_seed_question_and_repeat() -> None:
    text = " ".join(map(str, range(1000)))
    draws = [
        tuple(s.start for s in cut(text, question, repeat, 60, 5, seed))
        for question, repeat, seed in (("q", 0, 0), ("q", 0, 1), ("q", 1, 0), ("r", 0, 0))
    ]
    assert len(set(draws)) == 4
    begins = {cut(text, "q", 0, 60, 1000, seed)[1].start for seed in range(9)}
    assert len(begins) > 5  # where the first whole segment begins is drawn, too
    everything = cut(text, "q", 0, 60, 1000, 0)
    assert "".join(s.text for s in everything) == text


def test_a_question_is_in_one_split_and_the_share_is_kept() -> None:
    segments = [
        (s, [0] * len(words(s.text)))
        for question in range(40)
        for repeat in range(2)
        for s in cut("a b c d e f", f"q{question}", repeat, 2, 3, 0)
    ]
    made = labelled(segments, 0.1, 0)
    assert len(made) == len(segments)
    held_out = {s.question_id for s in made if s.split == "validation"}
    assert len(held_out) == 4
    assert held_out.isdisjoint(s.question_id for s in made if s.split == "train")
    assert held_out != validation_questions((s.question_id for s, _ in segments), 0.1, 1)
    assert len(validation_questions(["a", "b"], 0.001, 0)) == 1
    assert len(validation_questions(["a", "b"], 0.999, 0)) == 1


def test_one_question_cannot_be_split() -> None:
    with pytest.raises(DataError, match="of 1 question cannot be split"):
        validation_questions(["q", "q"], 0.5, 0)
