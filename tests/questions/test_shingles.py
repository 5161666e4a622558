"""Texts are compared by their words, whatever their case, spacing and punctuation."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tessy.questions.shingles import ngram_hashes, shingles, text_words, word_hashes

TEXTS = st.lists(st.sampled_from(["a", "b", "c", "the", "sum", "10"]), max_size=30)


def test_case_punctuation_and_forms_of_characters_do_not_count() -> None:
    assert text_words("The  SUM,\n of `x_1` (≤ 10^5)!") == ["the", "sum", "of", "x", "1", "10", "5"]
    assert text_words("ﬁrst Straße") == text_words("FIRST STRASSE")


def test_characters_of_chinese_are_words_of_their_own() -> None:
    assert text_words("求 a+b 的和") == ["求", "a", "b", "的", "和"]


@given(TEXTS, st.integers(1, 6))
def test_ngrams_are_equal_exactly_where_their_words_are(words: list[str], n: int) -> None:
    hashes = ngram_hashes(word_hashes(words), n).tolist()
    texts = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    assert len(hashes) == len(texts)
    assert all(
        (hashes[i] == hashes[j]) == (texts[i] == texts[j])
        for i in range(len(texts))
        for j in range(len(texts))
    )


def test_a_short_text_is_one_shingle() -> None:
    assert len(shingles(["a", "b"], 5)) == 1
    assert np.array_equal(shingles(["a"] * 9, 5), shingles(["a"] * 7, 5))


def test_numbers_are_the_same_in_every_process() -> None:
    code = "from tessy.questions.shingles import *; print(shingles(['a', 'b', 'c'], 2).tolist())"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == str(shingles(["a", "b", "c"], 2).tolist())
