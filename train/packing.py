"""Whole samples side by side in rows: none is cut, none is split."""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections.abc import Sequence

Row = list[int]  # indices of samples


def best_fit(lengths: Sequence[int], capacity: int) -> list[Row]:
    """Rows of at most `capacity` tokens, few of them: best-fit decreasing.

    Args:
        lengths: tokens of each sample, none above `capacity`.
    """
    rows: list[Row] = []
    room: list[tuple[int, int]] = []  # free tokens and number of each row, sorted
    for sample in _longest_first(lengths):
        at = bisect_left(room, (lengths[sample], -1))
        if at == len(room):
            free, row = capacity, len(rows)
            rows.append([])
        else:
            free, row = room.pop(at)
        rows[row].append(sample)
        insort(room, (free - lengths[sample], row))
    return rows


def balanced(lengths: Sequence[int], capacity: int, count: int) -> list[Row]:
    """`count` rows of similar lengths, the longest first, some empty if there are few samples.

    Devices that work on rows of one length wait little for each other. The longest sample left goes
    to the shortest row; should that exceed `capacity`, to the fullest row that has room.

    Args:
        count: at least as many as `best_fit` needs.
    """
    rows: list[Row] = [[] for _ in range(count)]
    loads = [(0, row) for row in range(count)]
    for sample in _longest_first(lengths):
        load, row = loads[0]
        if load + lengths[sample] > capacity:
            fitted = best_fit(lengths, capacity)
            rows = fitted + [[] for _ in range(count - len(fitted))]
            break
        rows[row].append(sample)
        heapq.heapreplace(loads, (load + lengths[sample], row))
    return sorted(rows, key=lambda row: -sum(lengths[sample] for sample in row))


def _longest_first(lengths: Sequence[int]) -> list[int]:
    return sorted(range(len(lengths)), key=lambda sample: -lengths[sample])
