"""Texts as sequences of words and their n-grams, each n-gram a number of 64 bits.

Case, punctuation and spacing do not count; a character of Chinese, Japanese or Korean is a word.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_WORD = re.compile(f"[{_CJK}]|[^\\W_{_CJK}]+")
_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that multiplying by it loses nothing

Hashes = NDArray[np.uint64]


def text_words(text: str) -> list[str]:
    """The words of a text, as they are compared."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def word_hashes(words: Sequence[str]) -> Hashes:
    """A number for each word, the same in every process."""
    return np.fromiter(map(_hash, words), np.uint64, len(words))


def ngram_hashes(hashes: Hashes, n: int) -> Hashes:
    """A number for each of the `len(hashes) - n + 1` n-grams, in their order; none for fewer words.

    A polynomial in the words' numbers, modulo 2^64: it depends on their order.
    """
    count = len(hashes) - n + 1
    if count < 1:
        return hashes[:0]
    total = np.zeros(count, np.uint64)
    for offset in range(n):
        total = total * _BASE + hashes[offset : offset + count]
    return total


def shingles(words: Sequence[str], n: int) -> Hashes:
    """The different n-grams of a text, sorted; of a text of fewer words the one that it is."""
    return np.unique(ngram_hashes(word_hashes(words), min(n, len(words))))


@lru_cache(maxsize=1 << 18)
def _hash(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest())
