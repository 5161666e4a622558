"""Questions that share words with a benchmark's problems: n-gram overlap.

As in the data of GPT-3 (arXiv 2005.14165, appendix C): a question is contaminated if it has an
n-gram of 13 words in common with a problem, but n-grams that many questions have are the phrases
of all contests ("the first line contains an integer, the number of test cases"), and do not count.
A problem of fewer words is found where a question has all of them in a row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tessy.questions.shingles import ngram_hashes, text_words, word_hashes

SHORTEST = 5  # words; a problem of fewer is found only where it is all of a question


# N-grams that a question shares with problems: where each begins, in words, and its length.
Hits = Mapping[int, tuple[int, int]]


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
        return empty

    def look(self, text: str) -> Hits:
        """The n-grams that a question shares with problems, which are counted."""
        hashes = word_hashes(text_words(text))
        found: dict[int, tuple[int, int]] = {}
        for length, known in self._problems.items():
            if length < SHORTEST and length != len(hashes):
                continue
            for start, ngram in enumerate(ngram_hashes(hashes, length).tolist()):
                if ngram in known:
                    found.setdefault(ngram, (start, length))
        self._questions.update(found.keys())
        return found

    def contaminates(self, hits: Hits) -> tuple[str, int, int] | None:
        """Of a question's n-grams the first that counts, once all questions were looked at.

        Returns:
            The problem's name, the n-gram's first word in the question, and its length.
        """
        for ngram, (start, length) in hits.items():
            if self._questions[ngram] <= self.common:
                return self._problems[length][ngram], start, length
        return None


def shared_words(text: str, start: int, length: int) -> str:
    """The words of an n-gram of a question."""
    words: Sequence[str] = text_words(text)
    return " ".join(words[start : start + length])
