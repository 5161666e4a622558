"""A made-up experiment of any size, to test the report and to look at it.

`python -m tests.eval.report.synthetic FOLDER [dial]` writes a report into FOLDER.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from eval.report import (
    BASE,
    DataSet,
    EvaluatedModel,
    ReportData,
    StageCost,
    TrainingCurve,
    write_report,
)
from tessy.config import ReportConfig
from tessy.records import JudgedAnswer, Message, Part, Span, Trajectory, Writer

LEVELS = {BASE: 0.48, "student_only": 0.49, "teacher_only": 0.31, "tessy": 0.77}
STYLES = {BASE: (0.98, 0.0), "student_only": (1.0, 0.0), "teacher_only": (0.04, 0.95)}

PIECES: tuple[tuple[Writer, Part, str], ...] = (
    ("student", "think", "Okay, let me see. First, I need to "),
    ("teacher", "think", "keep the even numbers: `[t for t in a if t % 2 == 0]`"),
    ("student", "think", ".\nNext, I need to "),
    ("teacher", "think", "add 3 to each: `[t + 3 for t in a]`"),
    ("student", "think", ".\nBut wait, that is not right. I need to "),
    ("teacher", "think", "sort them, largest first: `sorted(a, reverse=True)`"),
    (
        "student",
        "answer",
        "Here is the solution:\n```python\na = list(map(int, input().split()))\n",
    ),
    ("student", "answer", "a = [t for t in a if t % 2 == 0]\nprint(*a)\n```\n"),
)


def make(
    worlds: int = 5,
    seeds: int = 3,
    problems: int = 60,
    runs: int = 2,
    rates: tuple[float, ...] = (2e-3,),
    examples: int = 6,
    text: str = "",
) -> ReportData:
    """An experiment whose answers are drawn with the pass rates of LEVELS.

    Args:
        rates: SFT learning rates; lower ones pull pass@1 and style towards the base model.
        text: put into every free text of the report, to test what untrusted text can do.
    """
    rng = np.random.default_rng(0)
    models, curves, datasets = [], [], []
    for world in range(worlds):
        hard = rng.normal(0, 0.25, problems)
        for method, level in LEVELS.items():
            trainings = (
                [(s, r) for s in range(seeds) for r in rates] if method != BASE else [(0, 0)]
            )
            for sft_seed, rate in trainings:
                pull = rate / max(rates)
                own = LEVELS[BASE] + (level - LEVELS[BASE]) * pull + rng.normal(0, 0.02)
                n_runs = runs if method != BASE else runs * seeds
                base = method == BASE
                models.append(
                    EvaluatedModel(
                        method=method,
                        world=world,
                        sft_seed=None if base else sft_seed,
                        learning_rate=None if base else rate,
                        benchmark="mini",
                        answers=_answers(rng, world, own + hard, n_runs, method, pull, text),
                        artifact=f"{method}-w{world}-s{sft_seed}-3f9a{world}{sft_seed}",
                    )
                )
                if not base:
                    points = _points(rng, method, rate)
                    curves.append(TrainingCurve(method, world, sft_seed, rate, points))
            if method != BASE:
                datasets.append(_dataset(rng, method, world, examples, text))
    return ReportData(
        experiment="mini_dial" if len(rates) > 1 else "mini",
        student="mini-qwen3" + text,
        teacher="mini-gptoss",
        models=tuple(models),
        datasets=tuple(datasets),
        curves=tuple(curves),
        costs=tuple(
            StageCost(stage, f"{stage}-{method}{text}", 12.5 * (i + 1), i == 0)
            for i, (stage, method) in enumerate(
                [("questions", "mini"), ("synthesize", "tessy"), ("sft", "tessy")]
            )
        ),
        provenance={
            "fingerprint": "5b1c0de" + text,
            "seeds": {"synthesis": 0, "sft": list(range(seeds))},
            "versions": {"torch": "2.13.0", "trl": "1.16.0"},
        },
        drops={"samples over max_length": 2, "samples without an end" + text: 1},
    )


def _answers(
    rng: np.random.Generator,
    world: int,
    chances: np.ndarray,
    runs: int,
    method: str,
    pull: float,
    text: str,
) -> tuple[JudgedAnswer, ...]:
    student, teacher = STYLES.get(method, (0.99, 0.01))
    own_style = 1 - (1 - student) * pull, teacher * pull
    answers = []
    for problem, chance in enumerate(chances):
        for run in range(runs):
            passed = bool(rng.random() < chance)
            answers.append(
                JudgedAnswer(
                    problem_id=f"w{world}-p{problem:03d}",
                    run=run,
                    response="print(1)" + text,
                    finish="complete" if rng.random() > 0.02 else "length",
                    n_tokens=int(rng.integers(80, 160)),
                    verdict="accepted" if passed else "wrong_answer",
                    passed=passed,
                    style={
                        "student": float(rng.random() < own_style[0]),
                        "teacher": float(rng.random() < own_style[1]),
                    },
                )
            )
    return tuple(answers)


def _points(rng: np.random.Generator, method: str, rate: float) -> tuple[dict[str, float], ...]:
    start = {"student_only": 0.3, "teacher_only": 1.1, "tessy": 0.5}[method]
    return tuple(
        {
            "step": step,
            "epoch": step / 16,
            "loss": start * np.exp(-step / 12) + 0.08 + rng.normal(0, 0.01),
            "learning_rate": rate,
        }
        for step in range(1, 33)
    )


def _dataset(rng: np.random.Generator, method: str, world: int, count: int, text: str) -> DataSet:
    alone: dict[str, Writer] = {"student_only": "student", "teacher_only": "teacher"}
    trajectories = tuple(
        Trajectory(
            question_id=f"w{world}-q{number}",
            repeat=0,
            method=method,
            messages=(Message("user", "Read numbers.\n  Keep the even ones." + text),),
            spans=tuple(
                Span(alone.get(method, writer), part, piece + text, int(rng.integers(5, 20)))
                for writer, part, piece in PIECES
            ),
            finish="complete",
            tokens={"student_kept": 40},
            seconds=1.0,
            seeds={"synthesis": 0},
            versions={},
        )
        for number in range(count)
    )
    return DataSet(method, world, trajectories, {"rollbacks": 12, "seconds": 30.5})


if __name__ == "__main__":
    dial = sys.argv[2:] == ["dial"]
    chosen = (2.5e-4, 5e-4, 1e-3, 2e-3) if dial else (2e-3,)
    write_report(make(rates=chosen), Path(sys.argv[1]), ReportConfig())
