"""Questions that share words with a benchmark's problems: n-gram overlap.

As in the data of GPT-3 (arXiv 2005.14165, appendix C): a question is contaminated if it has an
n-gram of 13 words in common with a problem, but n-grams that many questions have are the phrases
of all contests ("the first line contains an integer, the number of test cases"), and do not count.
A problem of fewer words is found where a question has all of them in a row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tessy.questions.shingles import Hashes, ngram_hashes, text_words, word_hashes

SHORTEST = 5  # words; a problem of fewer is found only where it is all of a question


@dataclass(frozen=True)
class Hit:
    """N-grams that a question shares with problems, and where it has them."""

    hashes: Hashes
    lengths: tuple[int, ...]  # words of each
    starts: tuple[int, ...]  # the word of the question with which each begins


@dataclass
class Overlap:
    """The n-grams of all problems, and how many questions had each of them.

    Args:
        n: words of an n-gram.
        common: an n-gram that more questions have is one of the phrases of all contests.
    """

    n: int
    common: int
    _problems: dict[int, dict[int, str]] = field(default_factory=dict)  # by length, by n-gram
    _sorted: dict[int, Hashes] = field(default_factory=dict)
    _questions: Counter[int] = field(default_factory=Counter)

    def add_problems(self, problems: Iterable[tuple[str, str]]) -> int:
        """Add problems, each a name and a text; returns how many had no word at all."""
        empty = 0
        for name, text in problems:
            hashes = word_hashes(text_words(text))
            length = min(self.n, len(hashes))
            if not length:
                empty += 1
                continue
            known = self._problems.setdefault(length, {})
            for ngram in ngram_hashes(hashes, length).tolist():
                known.setdefault(ngram, name)
        self._sorted = {k: np.sort(np.fromiter(v, np.uint64)) for k, v in self._problems.items()}
        return empty

    def look(self, text: str) -> Hit | None:
        """The n-grams that a question shares with problems, which are counted; None for none."""
        hashes = word_hashes(text_words(text))
        found: dict[int, tuple[int, int]] = {}
        for length, known in self._sorted.items():
            if length < SHORTEST and length != len(hashes):
                continue
            ngrams = ngram_hashes(hashes, length)
            place = np.minimum(np.searchsorted(known, ngrams), len(known) - 1)
            for start in np.flatnonzero(known[place] == ngrams).tolist():
                found.setdefault(int(ngrams[start]), (length, start))
        if not found:
            return None
        self._questions.update(found.keys())
        lengths, starts = zip(*found.values(), strict=True)
        return Hit(np.fromiter(found, np.uint64), lengths, starts)

    def contaminates(self, hit: Hit) -> tuple[str, int, int] | None:
        """Of a question's n-grams the first that counts, once all questions were looked at.

        Returns:
            The problem's name, the n-gram's first word in the question, and its length.
        """
        for ngram, length, start in zip(hit.hashes.tolist(), hit.lengths, hit.starts, strict=True):
            if self._questions[ngram] <= self.common:
                return self._problems[length][ngram], start, length
        return None


def shared_words(text: str, start: int, length: int) -> str:
    """The words of an n-gram of a question."""
    words: Sequence[str] = text_words(text)
    return " ".join(words[start : start + length])
