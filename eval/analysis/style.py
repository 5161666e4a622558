"""What distinguishes the responses of several sources: vectors, centroids, similarity, words.

Paper, figures 8, 14 and 16: bags of the student's tokens, weighted by TF-IDF over all responses
together and scaled to length 1 (`eval.analysis.vectors`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.analysis.counts import Key, Responses
from eval.analysis.vectors import Floats, Vectors
from eval.score import Estimate
from tessy.errors import DataError

MOST_DRAWN = 2000  # points of one source in a scatter plot; more hide each other
SOLVER_SEED = 0  # of the vector that the search for the components starts from


@dataclass(frozen=True)
class Projection:
    """The responses on the two axes along which they vary most."""

    points: dict[str, NDArray[np.float64]]  # source -> [at most MOST_DRAWN responses, 2]
    centroids: dict[str, NDArray[np.float64]]  # source -> [2], of all its responses
    explained: tuple[float, float]  # share of the variance on each axis


@dataclass(frozen=True)
class Similarity:
    """Mean cosine similarity of two sources' responses to the same question and repeat."""

    first: str
    second: str
    mean: Estimate  # interval over questions
    questions: int


@dataclass(frozen=True)
class Words:
    """How often each source uses the words that are most frequent."""

    words: tuple[str, ...]
    sources: tuple[str, ...]
    per_thousand: NDArray[np.float64]  # [source, word], of 1,000 tokens


def project(sources: Sequence[Responses]) -> Projection:
    """Principal components of the vectors (figure 8).

    Args:
        sources: with their counts over the same vocabulary.

    Raises:
        DataError: there are fewer than three responses.
    """
    from scipy.sparse.linalg import LinearOperator, svds

    if sum(len(s.keys) for s in sources) < 3:
        raise DataError("fewer than three responses have no style in common", "synthesize more")
    vectors = Vectors.of(sources)
    n, width = vectors.shape
    mean = vectors.transposed_times(np.ones(n, np.float32)) / np.float32(n)

    def centred(column: Floats) -> Floats:
        return vectors.times(column) - np.float32(mean @ column.ravel())

    def centred_transposed(column: Floats) -> Floats:
        return vectors.transposed_times(column) - mean * column.sum()

    operator = LinearOperator((n, width), centred, centred_transposed, dtype=np.float32)
    start = np.random.default_rng(SOLVER_SEED).random(min(n, width)).astype(np.float32)
    _, sizes, axes = svds(operator, k=2, v0=start, return_singular_vectors="vh")
    axes = axes[np.argsort(-sizes)]
    axes *= np.sign(axes[[0, 1], np.abs(axes).argmax(axis=1)])[:, None]  # signs are arbitrary
    places = np.stack([centred(axis) for axis in axes], axis=1).astype(np.float64)
    points, centroids, ends = {}, {}, np.cumsum([len(s.keys) for s in sources])
    for source, mine in zip(sources, np.split(places, ends[:-1]), strict=True):
        centroids[source.source] = mine.mean(axis=0)
        points[source.source] = mine[:: -(-len(mine) // MOST_DRAWN)]
    # Vectors have length 1, so this is the sum of their squared distances to the mean.
    variance = n * (1 - float(mean @ mean))
    first, second = (float(v) / variance for v in (places**2).sum(axis=0))
    return Projection(points, centroids, (first, second))


def similarities(sources: Sequence[Responses]) -> list[Similarity]:
    """Mean similarity of each two sources that answer a question both (figure 14)."""
    pairs = [
        (i, j)
        for i in range(len(sources))
        for j in range(i + 1, len(sources))
        if set(sources[i].keys) & set(sources[j].keys)
    ]
    if not pairs:
        return []
    vectors = Vectors.of(sources)
    return [_similarity(vectors, sources, i, j) for i, j in pairs]


def _similarity(vectors: Vectors, sources: Sequence[Responses], i: int, j: int) -> Similarity:
    rows = {key: n for n, key in enumerate(sources[j].keys)}
    shared = [(n, key) for n, key in enumerate(sources[i].keys) if key in rows]
    cosines = vectors.cosines(i, j, np.array([(n, rows[key]) for n, key in shared]))
    by_question = _mean_by_question(cosines, [key for _, key in shared])
    # Questions are many and independent: the normal interval of their mean.
    half = 1.96 * by_question.std(ddof=1) / len(by_question) ** 0.5 if len(by_question) > 1 else 0.0
    mean = float(by_question.mean())
    estimate = Estimate(mean, mean - half, min(mean + half, 1.0))
    return Similarity(sources[i].source, sources[j].source, estimate, len(by_question))


def _mean_by_question(values: NDArray[np.float64], keys: Sequence[Key]) -> NDArray[np.float64]:
    groups: dict[str, list[float]] = defaultdict(list)
    for value, (question, _) in zip(values, keys, strict=True):
        groups[question].append(float(value))
    return np.array([np.mean(group) for group in groups.values()])


def frequent_words(
    sources: Sequence[Responses], words_of: Sequence[str], n_words: int = 25
) -> Words:
    """The words that the sources use most, on average over the sources (figure 16).

    Args:
        words_of: for each token id the word that it is, or "" (`StudentTokens.words`); tokens
            that are the same word but for case and a blank before it are counted together.
    """
    names = sorted({word for word in words_of if word})
    index = {word: n for n, word in enumerate(names)}
    ids = [n for n, word in enumerate(words_of) if word]
    columns = [index[words_of[n]] for n in ids]
    table = np.zeros((len(sources), len(names)))
    for row, source in enumerate(sources):
        by_token = (source.counts.T @ np.ones(len(source.keys), np.float32))[ids]
        np.add.at(table[row], columns, by_token * 1000 / source.lengths.sum())
    most = np.argsort(-table.mean(axis=0), kind="stable")[:n_words]
    return Words(tuple(names[n] for n in most), tuple(s.source for s in sources), table[:, most])
