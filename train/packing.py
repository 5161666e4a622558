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


def waves(lengths: Sequence[int], capacity: int, devices: int, passes: int) -> list[list[Row]]:
    """The rows of each forward pass, one for each device, some empty if there are few samples.

    In a pass all devices wait for the longest row. Each pass but the last therefore fills its rows
    up to the longest sample that is left; the last one shares out the rest evenly. Where that would
    exceed `capacity`, or wait longer, all rows of all passes are made alike.

    Args:
        passes: at least as many as `best_fit` needs.
    """
    even = balanced(lengths, capacity, devices * passes)
    alike = [even[start : start + devices] for start in range(0, len(even), devices)]
    filled: list[list[Row]] = []
    left = _longest_first(lengths)
    while left and len(filled) < passes - 1:
        rows, left = _fill(left, lengths, lengths[left[0]], devices)
        filled.append(rows)
    rest = balanced([lengths[sample] for sample in left], sum(lengths), devices)
    filled.append([[left[at] for at in row] for row in rest])
    filled += [[[] for _ in range(devices)] for _ in range(passes - len(filled))]
    if max(_loads(filled[-1], lengths), default=0) > capacity:
        return alike
    return min(alike, filled, key=lambda found: sum(max(_loads(p, lengths)) for p in found))


def _fill(
    samples: Sequence[int], lengths: Sequence[int], most: int, count: int
) -> tuple[list[Row], list[int]]:
    """`count` rows of at most `most` tokens of the samples, longest first, and what is left."""
    rows: list[Row] = [[] for _ in range(count)]
    room = [(most, row) for row in range(count)]
    left = []
    for sample in samples:
        at = bisect_left(room, (lengths[sample], -1))
        if at == count:
            left.append(sample)
            continue
        free, row = room.pop(at)
        rows[row].append(sample)
        insort(room, (free - lengths[sample], row))
    return rows, left


def balanced(lengths: Sequence[int], capacity: int, count: int) -> list[Row]:
    """`count` rows of similar lengths, the longest first.

    The longest sample left goes to the shortest row; should that exceed `capacity`, the rows are
    those of `best_fit`.

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


def _loads(rows: Sequence[Row], lengths: Sequence[int]) -> list[int]:
    return [sum(lengths[sample] for sample in row) for row in rows]


def _longest_first(lengths: Sequence[int]) -> list[int]:
    return sorted(range(len(lengths)), key=lambda sample: -lengths[sample])
