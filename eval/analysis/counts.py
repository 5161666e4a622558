"""How often each token occurs in each response: read once, in batches, kept sparse.

A response of 15k tokens has one to three thousand different ones, so 30k of them fit in a few
hundred megabytes; their texts are never held together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tessy.errors import DataError
from tessy.records import Trajectory, Writer

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

BATCH = 64  # responses whose texts are in memory at once

Encode = Callable[[Sequence[str]], Iterable[Sequence[int]]]  # texts -> token ids of each
Key = tuple[str, int]  # question and repeat


@dataclass(frozen=True)
class Responses:
    """What one source (a model, or a method with its teacher) wrote."""

    source: str
    keys: tuple[Key, ...]  # one a row
    counts: csr_matrix  # [response, token of the vocabulary], float32
    lengths: NDArray[np.int64]  # tokens of each response
    writers: Mapping[Writer, int] = field(default_factory=dict)  # tokens by who wrote them
    left_out: Mapping[str, int] = field(default_factory=dict)  # responses by how they ended

    @property
    def mean_tokens(self) -> float:
        return float(self.lengths.mean())

    def share(self, writer: Writer) -> float:
        """Share of the tokens that `writer` wrote, from 0 to 1."""
        return self.writers.get(writer, 0) / max(sum(self.writers.values()), 1)


def read(
    source: str,
    trajectories: Iterable[Trajectory],
    encode: Encode,
    vocabulary: int,
    wanted: Mapping[Key, object] | None = None,
    limit: int = 0,
) -> Responses:
    """Count the tokens of the responses that are complete; the others are counted as left out.

    Args:
        source: what the responses are called in figures.
        trajectories: read once, never held.
        encode: the student's tokenizer, for all sources the same.
        vocabulary: number of its token ids.
        wanted: the keys to read; None reads all.
        limit: stop after so many responses; 0 reads all.

    Raises:
        DataError: no response is left.
    """
    from scipy.sparse import csr_matrix

    left_out: Counter[str] = Counter()
    writers: Counter[Writer] = Counter()
    keys: list[Key] = []
    tokens: list[NDArray[np.int32]] = []  # different ones of each response
    times: list[NDArray[np.float32]] = []
    lengths: list[int] = []
    for batch in _batches(_complete(trajectories, wanted, left_out), limit):
        for done, ids in zip(batch, encode([t.text() for t in batch]), strict=True):
            found, how_often = np.unique(np.asarray(ids, dtype=np.int32), return_counts=True)
            keys.append(done.key)
            tokens.append(found)
            times.append(how_often.astype(np.float32))
            lengths.append(len(ids))
            for span in done.spans:
                writers[span.writer] += span.n_tokens
    if not keys:
        raise DataError(
            f"{source} has no complete response to analyse ({dict(left_out)} left out)",
            "synthesize more, or raise sampling.max_tokens",
        )
    ends = np.cumsum([0, *(len(row) for row in tokens)])
    counts = csr_matrix(
        (np.concatenate(times), np.concatenate(tokens), ends), shape=(len(keys), vocabulary)
    )
    return Responses(source, tuple(keys), counts, np.array(lengths), writers, left_out)


def _complete(
    trajectories: Iterable[Trajectory],
    wanted: Mapping[Key, object] | None,
    left_out: Counter[str],
) -> Iterator[Trajectory]:
    for done in trajectories:
        if wanted is not None and done.key not in wanted:
            continue
        if done.finish == "complete":
            yield done
        else:
            left_out[done.finish] += 1


def _batches(items: Iterator[Trajectory], limit: int) -> Iterator[list[Trajectory]]:
    rest = islice(items, limit) if limit else items
    while batch := list(islice(rest, BATCH)):
        yield batch
