"""Teacher-Score without grades: what the miniature teacher would have written itself."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tessy.boundary.predict import open_predictor
from tessy.config import Experiment
from tessy.engines.loop import run
from tessy.errors import EngineError
from tessy.mini.world import Stage, mini_problems
from tessy.pipeline.graph import build
from tessy.pipeline.requirements import models
from tessy.records import Question
from tessy.synthesis.cast import Setup, open_cast
from tessy.synthesis.methods import METHODS
from tessy.synthesis.methods.agreement import agreement, capability_spans
from tessy.synthesis.parts import Cast, Task
from tests.pipeline.conftest import compose_all

T = TypeVar("T")
GIVEN = ("experiment=mini", "method=[teacher_score]", "methods.teacher_score.scorer=agreement")


@pytest.fixture(scope="module")
def mini() -> Experiment:
    return compose_all(*GIVEN, "tracking=none")


def thinking(stages: tuple[Stage, ...], wrong: int = -1) -> str:
    """The student's thinking on a problem, with a mistake at one of the stages."""
    lines = []
    for number, stage in enumerate(stages):
        code = stage.operation.candidates(stage.n)[1] if number == wrong else stage.fragment
        opening = "Okay, let me see. First, I need to" if number == 0 else "Then I need to"
        lines.append(f"{opening} {stage.phrase}: `{code}`.")
    return "\n".join([*lines, "So that is everything. Now the code."])


def with_cast(e: Experiment, logs: Path, work: Callable[[Cast], Coroutine[Any, Any, T]]) -> T:
    setup = Setup(
        e.methods["teacher_score"], e.author, e.teacher, e.predictor, e.engine, e.serve,
        e.sampling, e.seed,
    )  # fmt: skip

    async def inside() -> T:
        async with open_cast(setup, METHODS["teacher_score"], 1, logs) as cast:
            return await work(cast)

    return run(inside(), e.engine)


def test_capability_is_what_lies_between_the_student_s_phrases(mini: Experiment) -> None:
    text = (
        "Okay, let me see. First, I need to keep the even numbers: `x % 2 == 0`.\n"
        "Then I need to print the sum: `sum(a)`.\nSo that is everything. Now the code.\n"
    )

    async def spans() -> list[str]:
        predictor = open_predictor(mini.predictor.student, mini.predictor, 1, threaded=False)
        async with predictor as judge:
            return [text[a:b] for a, b in await capability_spans(judge, "s", text)]

    assert asyncio.run(spans()) == [
        " keep the even numbers: `x % 2 == 0`.",
        " print the sum: `sum(a)`.",
    ]


def test_a_mistake_costs_its_share_of_the_score(mini: Experiment, tmp_path: Path) -> None:
    drawn = [world for _, world, _ in mini_problems(0, "train", 40) if len(world.stages) == 2][:8]

    async def scores(cast: Cast) -> list[list[int]]:
        found = []
        for n, world in enumerate(drawn):
            task = Task(Question(f"q{n}", world.statement, "mini"), 0, 0)
            texts = [thinking(world.stages, wrong) for wrong in (-1, 0, 1)]
            found.append([(await agreement(cast, task, text)).score for text in texts])
        return found

    found = with_cast(mini, tmp_path, scores)
    assert found.count([100, 50, 50]) >= 7, "the teacher knows nearly all of the operations"


def test_nothing_capable_is_nothing_to_agree_with(mini: Experiment, tmp_path: Path) -> None:
    async def score(cast: Cast) -> tuple[int, int]:
        found = await agreement(cast, Task(Question("q", "?", "mini"), 0, 0), "")
        return found.score, found.generated

    assert with_cast(mini, tmp_path, score) == (0, 0)


def test_thinking_that_does_not_fit_the_teacher_is_its_engine_s_fault(
    mini: Experiment, tmp_path: Path
) -> None:
    small = dataclasses.replace(mini, teacher=dataclasses.replace(mini.teacher, context=64))
    _, world, _ = mini_problems(0, "train", 1)[0]

    async def score(cast: Cast) -> int:
        task = Task(Question("q", world.statement, "mini"), 0, 0)
        return (await agreement(cast, task, thinking(world.stages))).score

    with pytest.raises(EngineError, match="does not fit"):
        with_cast(small, tmp_path, score)


def test_only_agreement_needs_predictors_and_has_a_fingerprint_of_its_own(mini: Experiment) -> None:
    written = compose_all(*GIVEN[:2], "tracking=none")
    assert not any("predictor" in path for path in models(written, build(written)))
    assert sum("predictor" in path for path in models(mini, build(mini))) == 2
    one, other = (
        next(n for n in build(e) if n.name.startswith("teacher_score")) for e in (written, mini)
    )
    assert one.fingerprint != other.fingerprint and "scorer" not in one.config
