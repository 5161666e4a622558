"""Streams, caches, batches and a micro-batched predictor come to the plain algorithm 1."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from tessy.checkpoints import locate
from tessy.config import (
    EngineConfig,
    MethodConfig,
    ModelConfig,
    PredictorConfig,
    QuestionsConfig,
    SamplingConfig,
    ServeConfig,
)
from tessy.questions import mini
from tessy.records import Trajectory, Writer, read_jsonl
from tessy.synthesis.cast import Setup
from tessy.synthesis.run import synthesize
from tests.synthesis.parts import QUESTIONS as ASKED
from tests.synthesis.parts import biased, run
from tests.synthesis.plain import Role, load_role, tessy

SETUP = Setup(
    MethodConfig("tessy", "tessy"),
    ModelConfig("student", "mini:student", "qwen3", 1e6, 1e6, 1024),
    ModelConfig("teacher", "mini:teacher", "gpt_oss", 1e6, 1e6, 1024),
    PredictorConfig("mini", "checkpoint", "mini:predictor_student", "mini:predictor_teacher"),
    EngineConfig("transformers", "cpu", 4, 1),
    ServeConfig(),
    SamplingConfig(0.0, max_tokens=512),
    0,
)
QUESTIONS, _ = mini.load(QuestionsConfig("mini", 2, 2), 0)


def plain_roles() -> dict[Writer, Role]:
    return {
        w: load_role(w, locate(f"mini:{w}"), d, locate(f"mini:predictor_{w}"))
        for w, d in (("student", "qwen3"), ("teacher", "gpt_oss"))
    }


def spans(done: Trajectory) -> list[tuple[str, str, str]]:
    return [(s.writer, s.part, s.text) for s in done.spans]


def test_greedy_trajectories_are_those_of_the_plain_algorithm(tmp_path: Path) -> None:
    roles = plain_roles()
    want = [tessy(roles, q.prompt, 512) for q in QUESTIONS]
    assert sum(map(len, want)) > 6 * len(want), "student and teacher take turns"
    samples = [(q.question_id, 0) for q in QUESTIONS]
    for stream in (True, False):
        folder = tmp_path / str(stream)
        folder.mkdir()
        engine = dataclasses.replace(SETUP.engine, stream=stream)
        synthesize(QUESTIONS, samples, dataclasses.replace(SETUP, engine=engine), folder, "tessy")
        done = read_jsonl(folder / "trajectories.jsonl", Trajectory)
        assert [spans(t) for t in done] == want, f"stream={stream}"


def test_so_are_those_of_two_whose_every_word_is_rejected(
    tiny: dict[str, Path], tmp_path: Path
) -> None:
    limit = 40
    models = tiny | {
        "student_judge": biased(tiny, tmp_path / "capability", style=False),
        "teacher_judge": biased(tiny, tmp_path / "style", style=True),
    }
    roles: dict[Writer, Role] = {
        "student": load_role("student", tiny["student"], "qwen3", models["student_judge"]),
        "teacher": load_role("teacher", tiny["teacher"], "gpt_oss", models["teacher_judge"]),
    }
    done, counts = run(
        models,
        tmp_path / "run",
        samples=[(q.question_id, 0) for q in ASKED],
        limit=limit,
        temperature=0.0,
        predictors=("student_judge", "teacher_judge"),
    )
    assert counts["forced"] > len(ASKED)
    assert [spans(t) for t in done] == [tessy(roles, q.prompt, limit) for q in ASKED]
