"""Artifacts of a Table 1 of full size, with drawn verdicts: what `stage=report` reads."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from tessy.config import Experiment
from tessy.pipeline.graph import build
from tessy.pipeline.node import Node
from tessy.pipeline.store import Store
from tessy.records import ANSWERS, TRAJECTORIES, JudgedAnswer, Message, Span, Trajectory, dump_line
from train.curve import CURVE

PROBLEMS, RUNS, SAMPLES, STEPS = 464, 4, 200, 5625
LEVELS = {"base": 0.45, "teacher_only": 0.4, "tessy": 0.55}
DIFFICULTIES = ("easy", "medium", "hard")


def write_results(experiment: Experiment, problems: int = PROBLEMS, samples: int = SAMPLES) -> None:
    """Complete every artifact of the experiment but its report.

    Each evaluation has `problems` x `RUNS` judged answers with short texts; each data set
    `samples` short samples; each training a curve of `STEPS` steps.
    """
    store = Store(Path(experiment.outputs_dir))
    for number, node in enumerate(build(experiment)[:-1]):
        rng = np.random.default_rng(number)
        with store.working(node) as folder:
            if node.stage == "evaluate":
                _lines(folder / ANSWERS, _answers(node, rng, problems))
            elif node.stage == "synthesize":
                _lines(folder / TRAJECTORIES, (_sample(node, n) for n in range(samples)))
            elif node.stage == "sft":
                points = ({"step": n, "loss": 0.3 + 0.5 / n**0.3} for n in range(1, STEPS + 1))
                (folder / CURVE).write_text("".join(json.dumps(p) + "\n" for p in points))
            store.complete(node, {"samples": samples})


def _answers(node: Node, rng: np.random.Generator, problems: int) -> Iterable[JudgedAnswer]:
    level = LEVELS.get(node.subject.method or "base", 0.48)
    difficulty = np.clip(np.random.default_rng(7).normal(level, 0.3, problems), 0.02, 0.98)
    passed = rng.random((problems, RUNS)) < difficulty[:, None]
    for problem in range(problems):
        for run in range(RUNS):
            right = bool(passed[problem, run])
            yield JudgedAnswer(
                problem_id=f"p{problem:04d}",
                run=run,
                response="def solve():\n    return 1\n" * 8,
                finish="complete",
                n_tokens=15_000,
                verdict="accepted" if right else "wrong_answer",
                passed=right,
                difficulty=DIFFICULTIES[problem % 3],
            )


def _sample(node: Node, number: int) -> Trajectory:
    spans = (
        Span("student", "think", "Okay, let me see. First, I need to ", 9),
        Span("teacher", "think", "keep the even numbers: `x % 2 == 0`.", 14),
        Span("student", "answer", f"print({number})", 4),
    )
    asked = (Message("user", f"Problem {number}"),)
    return Trajectory(
        f"q{number}", 0, node.subject.method or "", asked, spans, "complete", {}, 1.0, {}, {}
    )


def _lines(path: Path, records: Iterable[JudgedAnswer | Trajectory]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(map(dump_line, records))
