"""Near duplicates are those that are similar enough, no others, whatever came before."""

from __future__ import annotations

import random

import pytest

from tessy.questions.duplicates import WORDS, Duplicates
from tessy.questions.shingles import shingles, text_words


def text(seed: int, length: int = 200) -> str:
    draw = random.Random(seed)
    return " ".join(f"w{draw.randrange(5000)}" for _ in range(length))


def changed(original: str, words: int, seed: int = 0) -> str:
    """The text with some words replaced."""
    draw = random.Random(seed)
    pieces = original.split()
    for place in draw.sample(range(len(pieces)), words):
        pieces[place] = f"new{place}"
    return " ".join(pieces)


def similarity(a: str, b: str) -> float:
    one, two = (set(shingles(text_words(t), WORDS).tolist()) for t in (a, b))
    return len(one & two) / len(one | two)


def found(texts: list[str], threshold: float = 0.8) -> list[tuple[int, float] | None]:
    """What is found of each text among those before it; numbers count those that were kept."""
    kept: list[str] = []
    duplicates = Duplicates(threshold, kept.__getitem__)
    said = []
    for item in texts:
        said.append(duplicates.find(item, len(kept)))
        if said[-1] is None:
            kept.append(item)
    return said


def test_a_repetition_is_found_whatever_its_case_and_spacing() -> None:
    assert found([text(1), text(2), text(1).upper().replace(" ", "\n ")]) == [
        *(None, None),
        (-1, 1.0),
    ]


@pytest.mark.parametrize("words", [1, 3, 4, 10, 60])
def test_what_is_found_is_what_is_similar_enough(words: int) -> None:
    originals = [text(seed) for seed in range(30)]
    others = [changed(t, words, seed) for seed, t in enumerate(originals)]
    said = found(originals + others)[30:]
    for number, (original, other, finding) in enumerate(zip(originals, others, said, strict=True)):
        measured = similarity(original, other)
        if finding is None:
            assert measured < 0.85  # between 0.8 and there hashing may miss one in 100
        else:
            assert finding == (number, pytest.approx(measured)) and measured >= 0.8


def test_it_is_the_most_similar_one_that_is_named() -> None:
    far, near = changed(text(1), 4), changed(text(1), 1, seed=9)
    assert similarity(far, near) < 0.8 < similarity(far, text(1)) < similarity(near, text(1))
    finding = found([far, near, text(1)])[2]
    assert finding is not None and finding[0] == 1


def test_a_duplicate_of_a_duplicate_that_was_left_out_is_not_one_of_the_first() -> None:
    """Only what was kept is compared with, so a chain of small changes is not one question."""
    chain = [text(1)]
    for step in range(4):
        chain.append(changed(chain[-1], 3, step))
    assert similarity(chain[0], chain[1]) > 0.8 > similarity(chain[0], chain[4])
    said = found(chain)
    assert said[0] is None and said[1] is not None and None in said[2:]


def test_without_a_threshold_only_repetitions_are_found() -> None:
    assert found([text(1), changed(text(1), 1), text(1)], threshold=0) == [None, None, (-1, 1.0)]
