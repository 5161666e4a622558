"""Scores of parts of a benchmark: its difficulties and splits; and pass@k."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eval.report.data import EvaluatedModel
from eval.score import Estimate, interval, pass_at_k
from tessy.records import JudgedAnswer


@dataclass(frozen=True)
class Subset:
    """pass@1 of the problems of one difficulty or split."""

    name: str
    score: Estimate
    n_problems: int  # over all worlds


def by(
    models: Sequence[EvaluatedModel], field: str, resamples: int, seed: int
) -> tuple[Subset, ...]:
    """pass@1 for each value of a field of the answers, "difficulty" or "split".

    Empty where all problems have the same value, or none.
    """
    names = {str(getattr(answer, field)) for model in models for answer in model.answers}
    if len(names) < 2:
        return ()
    subsets = []
    for name in sorted(names):
        passed: dict[int, list[np.ndarray]] = {}
        for model in models:
            answers = [a for a in model.answers if getattr(a, field) == name]
            if answers:
                passed.setdefault(model.world, []).append(_table(answers))
        n_problems = sum(len(tables[0]) for tables in passed.values())
        subsets.append(Subset(name or "unknown", interval(passed, resamples, seed), n_problems))
    return tuple(subsets)


def at_k(passed: Mapping[int, Sequence[np.ndarray]]) -> dict[int, float]:
    """pass@k for k = 2, 4, 8, ... as far as each model has answers, mean over models."""
    tables = [table for seeds in passed.values() for table in seeds]
    runs = min(table.shape[1] for table in tables)
    powers = (2**i for i in range(1, runs.bit_length()))
    return {k: float(np.mean([pass_at_k(table, k) for table in tables])) for k in powers}


def _table(answers: Sequence[JudgedAnswer]) -> np.ndarray:
    """passed[problem, run]; every problem has every run."""
    passed = {answer.key: answer.passed for answer in answers}
    problems = sorted({problem for problem, _ in passed})
    runs = sorted({run for _, run in passed})
    return np.array([[passed[p, r] for r in runs] for p in problems], dtype=bool)
