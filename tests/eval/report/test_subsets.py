"""Scores of difficulties and splits, and pass@k, against counts by hand."""

from __future__ import annotations

import numpy as np
import pytest

from eval.report.data import EvaluatedModel
from eval.report.subsets import at_k, by
from tessy.records import JudgedAnswer

# problem -> difficulty, verdicts of two runs
ANSWERS = {"a": ("easy", [1, 1]), "b": ("easy", [1, 0]), "c": ("hard", [0, 0])}


def model(answers: dict[str, tuple[str, list[int]]]) -> EvaluatedModel:
    judged = [
        JudgedAnswer(
            *(problem, run, "", "complete", 1, "accepted" if passed else "wrong_answer"),
            bool(passed),
            difficulty=difficulty,
            split="all",
        )
        for problem, (difficulty, runs) in answers.items()
        for run, passed in enumerate(runs)
    ]
    return EvaluatedModel("base", 0, None, None, "ojbench", tuple(judged), "x")


def test_each_difficulty_has_its_score_and_its_number_of_problems() -> None:
    easy, hard = by([model(ANSWERS)], "difficulty", 500, 0)
    assert (easy.name, easy.score.value, easy.n_problems) == ("easy", 0.75, 2)
    assert (hard.name, hard.score.value, hard.n_problems) == ("hard", 0.0, 1)
    assert easy.score.low <= 0.75 <= easy.score.high
    assert hard.score.high > 0  # one problem says little


def test_a_single_part_is_no_part() -> None:
    assert by([model(ANSWERS)], "split", 500, 0) == ()


def test_pass_at_k_goes_as_far_as_the_answers() -> None:
    table = np.array([[1, 0, 0, 0, 0], [0] * 5], dtype=bool)
    got = at_k({0: [table]})
    assert list(got) == [2, 4]
    assert got[2] == pytest.approx(0.5 * 2 / 5) and got[4] == pytest.approx(0.5 * 4 / 5)
    assert at_k({0: [table[:, :1]]}) == {}
