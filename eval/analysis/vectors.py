"""TF-IDF vectors of responses, by their products: the counts stay as they are, nothing is copied.

A vector weighs each token's count by ln((1 + n) / (1 + n_token)) + 1, n responses of which n_token
have it, and has length 1 (scikit-learn's `TfidfTransformer`). Written out, the vectors of 30k
responses would take as much memory as their counts once more for each source and step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eval.analysis.counts import Responses

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

BLOCK = 1024  # responses whose counts are copied at once

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Vectors:
    """The responses of several sources, one below the other, as rows X of length 1."""

    counts: tuple[csr_matrix, ...]  # of each source: [response, token], float32
    weights: Floats  # [token]: what a count is multiplied by
    scales: tuple[Floats, ...]  # of each source: [response], 1 / length of the weighted counts

    @classmethod
    def of(cls, sources: Sequence[Responses]) -> Vectors:
        """Weighted by how many responses of all sources together have a token."""
        counts = tuple(source.counts for source in sources)
        n = sum(c.shape[0] for c in counts)
        having = np.zeros(counts[0].shape[1])
        for block in _blocks(counts):
            having += np.bincount(block.indices, minlength=len(having))
        weights = (np.log((1 + n) / (1 + having)) + 1).astype(np.float32)
        scales = []
        for source in counts:
            squares = [block.power(2) @ weights**2 for block in _blocks([source])]
            scales.append(1 / np.sqrt(np.concatenate(squares)))
        return cls(counts, weights, tuple(scales))

    @property
    def shape(self) -> tuple[int, int]:
        return sum(c.shape[0] for c in self.counts), len(self.weights)

    def times(self, column: Floats) -> Floats:
        """X @ column: [token] -> [response]."""
        weighted = self.weights * column.ravel()
        parts = [s * (c @ weighted) for c, s in zip(self.counts, self.scales, strict=True)]
        return np.concatenate(parts)

    def transposed_times(self, column: Floats) -> Floats:
        """X.T @ column: [response] -> [token]."""
        parts = np.split(column.ravel(), np.cumsum([c.shape[0] for c in self.counts])[:-1])
        triples = zip(self.counts, self.scales, parts, strict=True)
        total: Floats = np.sum([c.T @ (scales * part) for c, scales, part in triples], axis=0)
        return self.weights * total

    def cosines(self, first: int, second: int, pairs: NDArray[np.int64]) -> NDArray[np.float64]:
        """Cosine of each pair of responses of two sources; pairs: [pair, row of each source]."""
        found = []
        for start in range(0, len(pairs), BLOCK):
            rows, others = pairs[start : start + BLOCK].T
            products = self.counts[first][rows].multiply(self.counts[second][others])
            scales = self.scales[first][rows] * self.scales[second][others]
            found.append(scales * (products @ self.weights**2))
        return np.concatenate(found).astype(np.float64)


def _blocks(counts: Sequence[csr_matrix]) -> Iterator[csr_matrix]:
    for source in counts:
        for start in range(0, source.shape[0], BLOCK):
            yield source[start : start + BLOCK]
