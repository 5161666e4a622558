"""Paired differences of all pairs, problems won and lost, corrected for many comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from eval.compare.contenders import Contender, check_comparable
from eval.report.rows import Verdicts
from eval.score import Estimate, paired_difference, paired_p_value


@dataclass(frozen=True)
class Part:
    """The difference on the problems of one difficulty."""

    name: str
    difference: Estimate
    n_problems: int


@dataclass(frozen=True)
class Comparison:
    """`first` against `second` on one benchmark; differences are fractions, first minus second."""

    first: Contender
    second: Contender
    difference: Estimate
    p: float  # paired randomization test over problems
    p_holm: float  # corrected for all comparisons that were made together
    by_difficulty: tuple[Part, ...]
    won: tuple[tuple[int, str], ...]  # (world, problem) that the first solves more often
    lost: tuple[tuple[int, str], ...]
    tied: int

    @property
    def decided(self) -> bool:
        """Whether it holds at 5 % over all comparisons together."""
        return self.p_holm < 0.05


def compare(
    contenders: Sequence[Contender], resamples: int = 10_000, seed: int = 0
) -> list[Comparison]:
    """Compare each two contenders of the same benchmark.

    Args:
        contenders: the better known first: pairs are (earlier, later), shown as later - earlier.
        resamples: of the bootstrap, and sign flips of the test.

    Raises:
        DataError: two of a benchmark cannot be compared (`check_comparable`).
    """
    found = []
    for benchmark in dict.fromkeys(c.benchmark for c in contenders):
        here = [c for c in contenders if c.benchmark == benchmark]
        check_comparable(here)
        for second, first in combinations(here, 2):
            found.append(_compare(first, second, resamples, seed))
    corrected = holm([c.p for c in found])
    return [replace(c, p_holm=p) for c, p in zip(found, corrected, strict=True)]


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values (Holm 1979), in the order given."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def _compare(first: Contender, second: Contender, resamples: int, seed: int) -> Comparison:
    mine, theirs = first.verdicts, second.verdicts
    difference = paired_difference(mine, theirs, resamples, seed)
    p = paired_p_value(mine, theirs, resamples, seed)
    won, lost, tied = [], [], 0
    for world, problems in first.problems.items():
        gaps = _rates(mine, world) - _rates(theirs, world)
        won += [(world, name) for name, gap in zip(problems, gaps, strict=True) if gap > 1e-9]
        lost += [(world, name) for name, gap in zip(problems, gaps, strict=True) if gap < -1e-9]
        tied += int((np.abs(gaps) <= 1e-9).sum())
    parts = tuple(_parts(first, second, resamples, seed))
    return Comparison(first, second, difference, p, p, parts, tuple(won), tuple(lost), tied)


def _rates(verdicts: Verdicts, world: int) -> np.ndarray:
    """Share of the answers to each problem that passed, over SFT seeds and runs."""
    return np.mean([table.mean(axis=1) for table in verdicts[world]], axis=0)


def _parts(first: Contender, second: Contender, resamples: int, seed: int) -> list[Part]:
    """Differences by difficulty; none where all problems have the same."""
    difficulty = {a.problem_id: a.difficulty for m in first.models for a in m.answers}
    names = sorted(set(difficulty.values()))
    if len(names) < 2:
        return []
    parts = []
    for name in names:
        wanted = {
            world: np.array([difficulty[problem] == name for problem in problems])
            for world, problems in first.problems.items()
        }
        mine, theirs = (
            {w: [t[wanted[w]] for t in side[w]] for w in side if wanted[w].any()}
            for side in (first.verdicts, second.verdicts)
        )
        estimate = paired_difference(mine, theirs, resamples, seed)
        count = sum(int(mask.sum()) for mask in wanted.values())
        parts.append(Part(name or "unknown", estimate, count))
    return parts


def json_rows(comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    """Plain rows under stable names, for `compare.json` and for trackers."""
    return [
        {
            "benchmark": c.first.benchmark,
            "first": c.first.name,
            "second": c.second.name,
            "difference": c.difference.value,
            "ci95": [c.difference.low, c.difference.high],
            "p": c.p,
            "p_holm": c.p_holm,
            "won": [list(place) for place in c.won],
            "lost": [list(place) for place in c.lost],
            "tied": c.tied,
            "by_difficulty": {
                part.name: {
                    "difference": part.difference.value,
                    "ci95": [part.difference.low, part.difference.high],
                    "n_problems": part.n_problems,
                }
                for part in c.by_difficulty
            },
            "answers": {c.first.name: list(c.first.places), c.second.name: list(c.second.places)},
        }
        for c in comparisons
    ]
