"""Questions that repeat another one: word for word, or nearly.

Near duplicates are found by MinHash and locality-sensitive hashing (Broder 1997; the library
datasketch), and each candidate is compared exactly: the Jaccard similarity of both questions' sets
of 5-grams. What is kept in memory does not hold the questions' texts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np

from tessy.questions.shingles import Hashes, shingles, text_words

WORDS = 5  # of a shingle
# 16 bands of 6: of pairs with similarity 0.8 all but one in 100 become candidates, with 0.9 all.
BANDS, ROWS = 16, 6


class Duplicates:
    """The questions that were kept, by number; each new one is looked up and then added.

    Args:
        similarity: of near duplicates, from 0 to 1; 0 looks for exact ones only.
        text: of a question that was added, by its number.
    """

    def __init__(self, similarity: float, text: Callable[[int], str]) -> None:
        from datasketch import MinHash, MinHashLSH

        self._similarity = similarity
        self._text = text
        self._seen: set[bytes] = set()
        self._empty = MinHash(BANDS * ROWS, hashfunc=int, scheme="affine32")
        self._near = MinHashLSH(num_perm=BANDS * ROWS, params=(BANDS, ROWS))

    def find(self, text: str, number: int) -> tuple[int, float] | None:
        """The question that this one nearly repeats, the most similar one, or None: it is added.

        Args:
            text: of the question.
            number: what it is called from now on, if it is added.

        Returns:
            The number of the other one and the similarity; (-1, 1.0) if it repeats an earlier
            question, added or not, word for word.
        """
        words = text_words(text)
        key = hashlib.blake2b(" ".join(words).encode(), digest_size=16).digest()
        if key in self._seen:
            return -1, 1.0
        self._seen.add(key)
        if not self._similarity:
            return None
        own = shingles(words, WORDS)
        signature = self._empty.copy()
        signature.update_batch((own >> np.uint64(32)).tolist())
        pairs = [(self._compare(own, other), -other) for other in self._near.query(signature)]
        best, other = max(pairs, default=(0.0, 0))
        if best >= self._similarity:
            return -other, best
        self._near.insert(number, signature, check_duplication=False)
        return None

    def _compare(self, own: Hashes, other: int) -> float:
        theirs = shingles(text_words(self._text(other)), WORDS)
        shared = len(np.intersect1d(own, theirs, assume_unique=True))
        return shared / (len(own) + len(theirs) - shared)
