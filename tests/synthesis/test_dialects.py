"""Real chat templates in a whole synthesis: what they write already, the writers do not."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest

from eval.run import evaluate
from tessy.config import (
    BenchmarkConfig,
    EngineConfig,
    JudgeConfig,
    ModelConfig,
    ServeConfig,
    TrainConfig,
)
from tessy.dialects import load_dialect
from tessy.errors import ConfigError
from tessy.records import Problem, Trajectory, read_jsonl
from tessy.synthesis.cast import open_cast
from tessy.synthesis.methods import METHODS
from tessy.synthesis.run import synthesize
from tests.dialects.families import FAMILIES, template_of
from tests.synthesis.parts import QUESTIONS, SAMPLES, setup_of
from train.examples import IGNORED, example
from train.run import finetune

TRAIN = TrainConfig("tiny", 1, 4, 1e-3, 256)
ENGINE = EngineConfig("transformers", "cpu", 4, 1)


@pytest.fixture(scope="module")
def real(tiny: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The tiny models with chat templates of their families."""
    root = tmp_path_factory.mktemp("real")
    chosen = {"student": "qwen3", "thinking_only": "qwen3_thinking_only", "teacher": "gpt_oss"}
    folders = {"predictor": tiny["predictor"]}
    for name, family in chosen.items():
        source = tiny["teacher" if name == "teacher" else "student"]
        folders[name] = Path(shutil.copytree(source, root / name))
        (folders[name] / "chat_template.jinja").write_text(template_of(FAMILIES[family]))
    return folders


def run(
    folders: dict[str, Path], folder: Path, kind: str, student: str = "student", **template: Any
) -> tuple[list[Trajectory], ModelConfig]:
    """A synthesis; its trajectories, and the student that took part."""
    setup = setup_of({**folders, "student": folders[student]}, kind, limit=300, context=1024)
    model = dataclasses.replace(setup.student, template=template)
    teacher = dataclasses.replace(setup.teacher, template={"date": "2025-08-05"})
    setup = dataclasses.replace(setup, student=model, teacher=teacher)
    synthesize(QUESTIONS, SAMPLES[:3], setup, folder, kind)
    return list(read_jsonl(folder / "trajectories.jsonl", Trajectory)), model


@pytest.mark.parametrize("student", ["student", "thinking_only"])
def test_the_thinking_is_opened_once_whoever_opens_it(
    real: dict[str, Path], tmp_path: Path, student: str
) -> None:
    done, model = run(real, tmp_path, "tessy", student)
    finished = [t for t in done if t.finish == "complete"]
    dialect = load_dialect("qwen3", Path(model.path))
    opening = dialect.encode_marker("<think>\n")
    assert finished
    for trajectory in finished:
        assert trajectory.spans[0].part == "think"
        made = example(trajectory, dialect)
        at = made.input_ids.tolist().index(opening[0])
        assert made.input_ids.tolist().count(opening[0]) == 1
        assert made.input_ids.tolist()[at : at + len(opening)] == opening
        by_model = student == "student"  # and then it is learned
        assert (made.labels.tolist()[at] != IGNORED) == by_model
        assert len(made.writers.tolist()) == len(made.input_ids.tolist())


def test_a_student_that_does_not_think_writes_answers(
    real: dict[str, Path], tmp_path: Path
) -> None:
    done, model = run(real, tmp_path, "student_only", enable_thinking=False)
    dialect = load_dialect("qwen3", Path(model.path), model.template)
    assert [t for t in done if t.spans]
    for trajectory in done:
        assert [s.part for s in trajectory.spans] == ["answer"]
        made = example(trajectory, dialect)
        assert len(made.writers.tolist()) == len(made.input_ids.tolist())
        ends = dialect.encode_marker("<think>\n\n</think>\n\n")
        n_prompt = made.labels.tolist().count(IGNORED)
        assert made.input_ids.tolist()[n_prompt - len(ends) : n_prompt] == ends


@pytest.mark.parametrize("method", ["tessy", "teacher_think"])
def test_a_student_that_does_not_think_cannot_go_on_from_thinking(
    real: dict[str, Path], tmp_path: Path, method: str
) -> None:
    setup = setup_of(real, method)
    model = dataclasses.replace(setup.student, template={"enable_thinking": False})
    setup = dataclasses.replace(setup, student=model)

    async def begin() -> None:
        async with open_cast(setup, METHODS[method], 1, tmp_path):
            raise AssertionError("it began")

    says = rf"{method} needs thinking of the student, .*enable_thinking=true"
    with pytest.raises(ConfigError, match=says):
        asyncio.run(begin())


def test_synthesis_training_and_evaluation_all_give_the_template_its_arguments(
    real: dict[str, Path], tmp_path: Path
) -> None:
    """Which is seen by all of them refusing a wrong one."""
    wrong = {"enable_thinkin": True}
    says = "takes no argument 'enable_thinkin'; did you mean 'enable_thinking'"
    with pytest.raises(ConfigError, match=says):
        run(real, tmp_path, "student_only", **wrong)
    path = str(real["student"])
    model = ModelConfig("student", path, "qwen3", 1e5, 1e5, 1024, template=wrong)
    with pytest.raises(ConfigError, match=says):
        finetune(tmp_path / "none.jsonl", model, TRAIN, 1e-3, 0, tmp_path, "sft")
    with pytest.raises(ConfigError, match=says):
        evaluate(
            real["student"],
            model,
            [Problem("p", "?", ())],
            BenchmarkConfig("mini", "mini", 1),
            ENGINE,
            ServeConfig(),
            JudgeConfig(),
            0,
            tmp_path,
            "evaluate",
        )
