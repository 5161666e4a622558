"""pass@1 with 95 % intervals, paired differences and their test, and pass@k.

Estimator
    A model (a method trained with one SFT seed in one world) is an array passed[problem, run].
    pass@1 is the mean over runs, then over problems, SFT seeds and worlds; each world weighs the
    same. The base model is not trained and counts as a single seed.

Interval
    How far might the figure be from a repetition with new problems, new SFT seeds and new worlds?
    A hierarchical bootstrap with a small-sample correction, as the three levels differ in number:

    - Problems are many (tens to hundreds): resampled with replacement in each world, the same
      resample for every seed and for both sides of a paired difference. It also carries the noise
      of sampled answers.
    - SFT seeds are few (typically 3). Resampling three values yields at most ten distinct means,
      two thirds of their variance and none of the tails, so a percentile interval over them is
      far too narrow; and as each seed's mean already has the noise of its answers in it,
      resampling both levels would count that noise twice. Instead, the variance of seed means is
      split as in a two-way random-effects analysis of variance (seed x problem), and each resample
      draws the unknown variance from its scaled inverse chi-square distribution on
      worlds * (seeds - 1) degrees of freedom, takes off the noise of answers, and draws a normal
      deviate with what is left (a generalized confidence interval: Weerahandi 1993; Hannig et al.
      2006). Where seeds dominate the interval becomes Student's t; where they do not matter it
      becomes the plain bootstrap over problems.
    - Worlds are few as well and are treated the same: the variance of world means, less what
      problems and seeds explain, on worlds - 1 degrees of freedom.

    With a single SFT seed (or world) its variance cannot be estimated and is not in the interval;
    reports show the number of seeds and worlds beside it.

All draws are seeded; the same input gives the same interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tessy.errors import DataError

Floats = NDArray[np.float64]
# world -> one array passed[problem, run] (truth values or 0/1) for each SFT seed, in seed order
Passed = Mapping[int, Sequence[ArrayLike]]

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval, as fractions (not percent)."""

    value: float
    low: float
    high: float

    @property
    def decided(self) -> bool:
        """Whether zero lies outside the interval (meaningful for differences)."""
        return self.low > 0 or self.high < 0


def pass_at_1(passed: Passed) -> float:
    """Mean over runs, problems, SFT seeds and worlds (worlds weigh the same)."""
    return float(np.mean([cells.mean() for cells in _cells(passed)]))


def interval(passed: Passed, resamples: int = 10_000, seed: int = 0) -> Estimate:
    """pass@1 with its 95 % interval, see the module's docstring.

    Raises:
        DataError: the SFT seeds of a world were not asked the same problems.
    """
    worlds = _cells(passed)
    estimate = _bootstrap(worlds, resamples, seed, bounds=(0.0, 1.0))
    n_problems = sum(cells.shape[1] for cells in worlds)
    # When all answers agree nothing varies in a resample; the exact binomial bound of n problems
    # (Clopper and Pearson 1934) says how far from 0 or 1 the truth may still be.
    unseen = 1 - ((1 - LEVEL) / 2) ** (1 / n_problems)
    if estimate.value == 0:
        return Estimate(0.0, 0.0, unseen)
    if estimate.value == 1:
        return Estimate(1.0, 1 - unseen, 1.0)
    return estimate


def paired_difference(
    passed: Passed,
    against: Passed,
    resamples: int = 10_000,
    seed: int = 0,
    bounds: tuple[float, float] = (-1.0, 1.0),
) -> Estimate:
    """pass@1 of `passed` minus that of `against`, paired by world, problem and SFT seed.

    Problem i of a world must be the same problem on both sides. A side with one seed (the base
    model) is compared with each seed of the other. `bounds` are those of any other measure.

    Raises:
        DataError: the sides differ in worlds, problems or (both having several) number of seeds.
    """
    differences = _differences(passed, against)
    return _bootstrap(differences, resamples, seed, bounds)


def paired_p_value(passed: Passed, against: Passed, flips: int = 10_000, seed: int = 0) -> float:
    """Two-sided p-value of the paired difference, by a randomization test over problems.

    Were the sides equally good, each problem's difference would be as likely with the other sign
    (Fisher 1935; Noreen 1989). So the observed mean difference is compared with those under `flips`
    draws of signs; the observed one counts as a draw, hence p is at least 1 / (flips + 1). SFT
    seeds and worlds are taken as they are: unlike the interval, it says nothing about others.

    Raises:
        DataError: the sides cannot be paired, see `paired_difference`.
    """
    rng = np.random.default_rng((seed, flips))
    observed, drawn = 0.0, np.zeros(flips)
    for cells in _differences(passed, against):
        by_problem = cells.mean(axis=0)
        observed += float(by_problem.mean())
        signs = rng.integers(0, 2, (flips, by_problem.size), dtype=np.int8) * 2 - 1
        drawn += signs @ by_problem / by_problem.size
    # Differences that are equal but for rounding are equal.
    as_far = np.abs(drawn) >= abs(observed) - 1e-9
    return float((as_far.sum() + 1) / (flips + 1))


def pass_at_k(passed: ArrayLike, k: int) -> float:
    """The unbiased estimator 1 - C(n-c, k) / C(n, k) of Chen et al. 2021, mean over problems.

    Args:
        passed: array [problem, run] with n runs.
        k: answers a problem, at most n.

    Raises:
        DataError: k is below 1 or exceeds the number of runs.
    """
    table = np.asarray(passed, dtype=bool)
    runs = table.shape[1]
    if not 1 <= k <= runs:
        raise DataError(f"pass@{k} needs at least {k} >= 1 runs, not {runs}", "set more runs")
    correct = table.sum(axis=1)
    factors = 1 - k / np.arange(1, runs + 1)  # C(n-c,k)/C(n,k) = prod over i in (n-c, n]
    ratio = np.array([np.prod(factors[runs - c :]) for c in correct])
    return float(np.mean(1 - ratio))


def _differences(passed: Passed, against: Passed) -> list[Floats]:
    """For each world the differences [seed, problem]."""
    if list(passed) != list(against):
        raise DataError(
            f"worlds {list(passed)} cannot be paired with worlds {list(against)}",
            "evaluate both methods in the same worlds",
        )
    differences = []
    for world, a, b in zip(passed, _cells(passed), _cells(against), strict=True):
        if a.shape[1] != b.shape[1] or (len(a) != len(b) and 1 not in (len(a), len(b))):
            raise DataError(
                f"world {world}: {len(a)} seeds x {a.shape[1]} problems cannot be paired with "
                f"{len(b)} seeds x {b.shape[1]} problems",
                "evaluate both methods on the same problems with the same sft_seeds",
            )
        differences.append(a - b)
    return differences


def _cells(passed: Passed) -> list[Floats]:
    """For each world the mean over runs, [seed, problem]."""
    worlds = []
    for world, seeds in passed.items():
        means = [np.asarray(runs, dtype=np.float64).mean(axis=1) for runs in seeds]
        sizes = {len(m) for m in means}
        if len(sizes) != 1 or sizes == {0}:
            raise DataError(
                f"world {world}: its SFT seeds have {sorted(sizes)} problems",
                "evaluate each seed on the same problems, at least one",
            )
        worlds.append(np.stack(means))
    if not worlds:
        raise DataError("there are no answers to score", "evaluate a model first")
    return worlds


def _bootstrap(
    worlds: list[Floats], resamples: int, seed: int, bounds: tuple[float, float]
) -> Estimate:
    """Percentile interval of the mean of worlds[seed, problem]."""
    rng = np.random.default_rng((seed, resamples))
    n_worlds = len(worlds)
    world_means = np.array([cells.mean() for cells in worlds])
    value = float(world_means.mean())

    deviation = np.zeros(resamples)
    problem_variance = 0.0  # of a world's mean, mean over worlds
    for index, cells in enumerate(worlds):
        by_problem = cells.mean(axis=0)
        centred = (by_problem - by_problem.mean()).astype(np.float32)
        deviation += _resampled_problems(seed, index, cells.shape[1], resamples) @ centred
        problem_variance += _variance(by_problem) / by_problem.size
    deviation /= n_worlds
    problem_variance /= n_worlds

    seed_variance = _draw_seed_variance(worlds, resamples, rng)  # of a world's mean
    deviation += rng.standard_normal(resamples) * np.sqrt(seed_variance / n_worlds)
    if n_worlds > 1:
        total = _variance(world_means) * _inverse_chi_square(n_worlds - 1, resamples, rng)
        between = np.maximum(total - problem_variance - seed_variance, 0.0)
        deviation += rng.standard_normal(resamples) * np.sqrt(between / n_worlds)

    tail = (1 - LEVEL) / 2
    low, high = np.quantile(deviation, [tail, 1 - tail])
    return Estimate(
        value, float(np.clip(value + low, *bounds)), float(np.clip(value + high, *bounds))
    )


def _draw_seed_variance(
    worlds: list[Floats], resamples: int, rng: np.random.Generator
) -> Floats | float:
    """Draws of the variance that SFT seeds add to a world's mean; 0 with one seed.

    Mean squares of the seed x problem table, pooled over worlds: a seed's mean varies by its own
    effect plus the noise of its answers, and that noise is measured by the interaction.
    """
    several = [cells for cells in worlds if len(cells) > 1]
    if not several:
        return 0.0
    freedom = sum(len(cells) - 1 for cells in several)
    of_means = noise = share = 0.0
    for cells in several:
        n_seeds, n_problems = cells.shape
        of_means += (n_seeds - 1) * _variance(cells.mean(axis=1)) / freedom
        residual = cells - cells.mean(axis=0) - cells.mean(axis=1, keepdims=True) + cells.mean()
        noise += float((residual**2).sum()) / (max(n_problems - 1, 1) * n_problems * freedom)
        share += 1 / (n_seeds * len(worlds))
    draws = of_means * _inverse_chi_square(freedom, resamples, rng)
    return np.maximum(draws - noise, 0.0) * share


def _variance(values: Floats) -> float:
    """Unbiased sample variance; 0 for a single value."""
    return float(values.var(ddof=1)) if values.size > 1 else 0.0


def _inverse_chi_square(freedom: int, size: int, rng: np.random.Generator) -> Floats:
    """Draws of freedom / chi-square(freedom)."""
    return freedom / rng.chisquare(freedom, size)


@lru_cache(maxsize=8)  # all rows of a report share the resamples: that is the pairing, and quick
def _resampled_problems(
    seed: int, world: int, n_problems: int, resamples: int
) -> NDArray[np.float32]:
    """Weights [resample, problem] of problems drawn with replacement.

    Scaled by sqrt(n / (n - 1)), so that the variance of a resampled mean is unbiased.
    """
    rng = np.random.default_rng((seed, world, n_problems, resamples))
    counts = rng.multinomial(n_problems, np.full(n_problems, 1 / n_problems), size=resamples)
    scale = np.sqrt(n_problems / max(n_problems - 1, 1)) / n_problems
    return (counts * scale).astype(np.float32)
