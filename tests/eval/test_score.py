"""The statistics behind every figure, against closed forms and simulation."""

from __future__ import annotations

import time
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from eval.score import interval, paired_difference, paired_p_value, pass_at_1, pass_at_k
from tessy.errors import DataError

RESAMPLES = 1000


def simulate(
    rng: np.random.Generator,
    worlds: int,
    seeds: int,
    problems: int,
    between: float,
    training: float,
) -> dict[int, list[np.ndarray]]:
    """Answers whose true pass@1 is 0.5: worlds vary by `between`, SFT seeds by `training`."""
    passed = {}
    for world in range(worlds):
        level = 0.5 + rng.normal(0, between) + rng.normal(0, 0.2, problems)
        passed[world] = [
            rng.random((problems, 1)) < np.clip(level + rng.normal(0, training), 0, 1)[:, None]
            for _ in range(seeds)
        ]
    return passed


@pytest.mark.parametrize(
    "worlds, seeds, between, training",
    [(1, 1, 0, 0), (1, 3, 0, 0), (1, 3, 0, 0.1), (5, 3, 0, 0), (5, 3, 0.06, 0.06), (5, 3, 0.1, 0)],
)
def test_interval_covers_the_truth_at_about_the_nominal_rate(
    worlds: int, seeds: int, between: float, training: float
) -> None:
    rng = np.random.default_rng(7)
    trials, hits = 200, 0
    for _ in range(trials):
        estimate = interval(simulate(rng, worlds, seeds, 100, between, training), RESAMPLES)
        hits += estimate.low <= 0.5 <= estimate.high
    assert hits / trials >= 0.91  # 2.6 standard errors below 0.95; it may be wider than needed


def test_paired_interval_covers_a_true_difference_when_seeds_and_worlds_vary() -> None:
    rng = np.random.default_rng(8)
    trials, hits = 200, 0
    for _ in range(trials):
        base, tuned = {}, {}
        for world in range(5):
            level = np.clip(0.4 + rng.normal(0, 0.05) + rng.normal(0, 0.15, 100), 0.0, 0.8)
            gain = 0.2 + rng.normal(0, 0.05)
            base[world] = [rng.random((100, 3)) < level[:, None]]
            tuned[world] = [
                rng.random((100, 1)) < (level + gain + rng.normal(0, 0.04))[:, None]
                for _ in range(3)
            ]
        estimate = paired_difference(tuned, base, RESAMPLES)
        hits += estimate.low <= 0.2 <= estimate.high
    assert hits / trials >= 0.91


def test_interval_is_wider_when_training_seeds_disagree() -> None:
    rng = np.random.default_rng(1)
    agree = {0: [rng.random((200, 1)) < 0.5 for _ in range(3)]}
    disagree = {0: [rng.random((200, 1)) < p for p in (0.3, 0.5, 0.7)]}
    narrow, wide = interval(agree), interval(disagree)
    assert wide.high - wide.low > 2.5 * (narrow.high - narrow.low)


def test_many_problems_reproduce_the_binomial_interval() -> None:
    passed = {0: [np.arange(1000)[:, None] % 2 == 0]}
    estimate = interval(passed)
    assert estimate.value == 0.5
    assert estimate.low == pytest.approx(0.5 - 1.96 * np.sqrt(0.25 / 1000), abs=0.003)
    assert estimate.high == pytest.approx(0.5 + 1.96 * np.sqrt(0.25 / 1000), abs=0.003)


def test_pairing_removes_what_problems_have_in_common() -> None:
    rng = np.random.default_rng(2)
    base = rng.random((300, 1)) < 0.5
    better = base | (rng.random((300, 1)) < 0.1)
    estimate = paired_difference({0: [better]}, {0: [base]})
    assert estimate.decided
    assert estimate.high - estimate.low < 0.08  # unpaired it would be 0.16


@given(arrays(bool, st.tuples(st.integers(1, 20), st.integers(1, 3))), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_difference_of_identical_answers_is_exactly_zero(passed: np.ndarray, seeds: int) -> None:
    answers = {w: [passed] * seeds for w in range(2)}
    estimate = paired_difference(answers, answers, 100)
    assert (estimate.value, estimate.low, estimate.high) == (0, 0, 0)
    assert not estimate.decided


@given(arrays(bool, st.tuples(st.integers(1, 20), st.integers(1, 3))))
@settings(max_examples=40, deadline=None)
def test_interval_holds_the_mean_over_runs_within_0_and_1(passed: np.ndarray) -> None:
    estimate = interval({0: [passed]}, 200)
    assert estimate.value == pytest.approx(passed.mean())
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


def test_swapped_sides_give_the_mirrored_value() -> None:
    rng = np.random.default_rng(3)
    a, b = {0: [rng.random((50, 2)) < 0.7]}, {0: [rng.random((50, 2)) < 0.4]}
    forth, back = paired_difference(a, b), paired_difference(b, a)
    assert forth.value == pytest.approx(-back.value)
    assert forth.low == pytest.approx(-back.high, abs=0.01)


def test_same_input_gives_the_same_interval() -> None:
    passed = simulate(np.random.default_rng(4), 5, 3, 50, 0, 0)
    assert interval(passed, seed=5) == interval(passed, seed=5)
    assert interval(passed, seed=5) != interval(passed, seed=6)


def test_worlds_weigh_the_same_whatever_their_size() -> None:
    assert pass_at_1({0: [np.ones((10, 1))], 1: [np.zeros((30, 1))]}) == 0.5


@pytest.mark.parametrize("all_pass", [False, True])
def test_unanimous_answers_still_have_an_interval(all_pass: bool) -> None:
    estimate = interval({0: [np.full((100, 2), all_pass)]})
    assert estimate.high - estimate.low == pytest.approx(1 - 0.025**0.01)


def test_pass_at_k_equals_the_share_of_subsets_with_a_pass() -> None:
    passed = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]], dtype=bool)
    for k in (1, 2, 3, 4):
        subsets = list(combinations(range(4), k))
        share = np.mean([[row[list(s)].any() for s in subsets] for row in passed])
        assert pass_at_k(passed, k) == pytest.approx(share)


def test_what_cannot_be_scored_or_paired_is_refused() -> None:
    ten, nine = np.ones((10, 1)), np.ones((9, 1))
    with pytest.raises(DataError, match="same problems"):
        interval({0: [ten, nine]})
    with pytest.raises(DataError, match="cannot be paired"):
        paired_difference({0: [ten]}, {0: [nine]})
    with pytest.raises(DataError, match="cannot be paired"):
        paired_difference({0: [ten] * 3}, {0: [ten] * 2})
    with pytest.raises(DataError, match="cannot be paired"):
        paired_difference({0: [ten]}, {1: [ten]})
    with pytest.raises(DataError, match="no answers"):
        interval({})
    with pytest.raises(DataError, match="pass@3"):
        pass_at_k(np.ones((4, 2)), 3)


def test_ten_thousand_resamples_of_five_worlds_take_seconds_at_most() -> None:
    passed = simulate(np.random.default_rng(5), 5, 3, 241, 0, 0)
    started = time.perf_counter()
    interval(passed, 10_000)
    assert time.perf_counter() - started < 5


def test_the_randomization_test_agrees_with_the_exact_sign_test() -> None:
    """With one answer a problem and only wins, p is that all signs agree: 2 / 2 ** n."""
    for wins in (1, 3, 6):
        a = np.ones((20, 1))
        b = np.ones((20, 1))
        b[:wins] = 0
        p = paired_p_value({0: [a]}, {0: [b]}, flips=20_000)
        assert p == pytest.approx(2 / 2**wins, abs=0.01)
        assert p == paired_p_value({0: [b]}, {0: [a]}, flips=20_000)
    assert paired_p_value({0: [a]}, {0: [a]}) == 1.0


def test_the_randomization_test_rarely_rejects_what_is_true() -> None:
    rng = np.random.default_rng(11)
    rejected = 0
    for _ in range(200):
        level = rng.random((60, 1))
        a, b = (rng.random((60, 4)) < level for _ in range(2))
        rejected += paired_p_value({0: [a]}, {0: [b]}, flips=500) <= 0.05
    assert 0 < rejected / 200 <= 0.09
