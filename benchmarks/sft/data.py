"""Samples to measure with: lengths as the paper's, random ids."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from train.encode import Encoded
from train.prepared import Prepared, store

MEAN, SPREAD = 13_400, 0.6  # tokens; standard deviation of their logarithm


def paper_lengths(samples: int, limit: int, seed: int = 0) -> list[int]:
    """Log-normal lengths with the mean of synthesized data; what is longer than `limit` is drawn
    anew, as it would be dropped.
    """
    draw = np.random.default_rng(seed)
    location = np.log(MEAN) - SPREAD**2 / 2
    found: list[int] = []
    while len(found) < samples:
        drawn = draw.lognormal(location, SPREAD, samples).astype(int)
        found += [int(n) for n in drawn if 64 <= n <= limit]
    return found[:samples]


def random_samples(lengths: list[int], vocabulary: int, folder: Path) -> Prepared:
    """A prepared data set of random ids: a tenth prompt, the rest by both writers in turns."""

    def encoded() -> Iterator[Encoded]:
        draw = np.random.default_rng(0)
        for number, length in enumerate(lengths):
            ids = draw.integers(10, vocabulary, length, dtype=np.int32)
            writers = (1 + np.arange(length) // 20 % 2).astype(np.uint8)
            writers[: max(1, length // 10)] = 0
            yield Encoded((f"q{number:06d}", 0, "random"), ids, writers)

    return store(encoded(), folder, "random samples")
