"""The miniature world's problems: two to four operations, the last a reduction, with tests.

A composition is the tuple of operation names. Compositions are divided by a hash: a fixed part
is for pretraining the miniature models alone, so nothing that a world asks was seen there. A
world's seed divides the rest into train, development and held-out compositions, which never
overlap.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from tessy.errors import ConfigError, nearest
from tessy.mini.operations import OPERATIONS, Operation
from tessy.records import Problem, TestCase

Split = Literal["train", "development", "held_out"]
SPLITS: tuple[Split, ...] = ("train", "development", "held_out")
PRETRAINING_SHARE = 0.6
TESTS = 6

TEMPLATES = (
    ("Given a line of integers: ", ", then ", "."),
    ("You get integers on one line. Please ", "; ", "."),
    ("Read a list of integers, ", ", ", "."),
    ("Task: ", " -> ", ". Input: one line of integers."),
)


@dataclass(frozen=True)
class Stage:
    """One operation with its number and the phrasing that the statement uses."""

    operation: Operation
    n: int
    phrasing: int

    @property
    def phrase(self) -> str:
        return self.operation.phrasings[self.phrasing].format(n=self.n)

    @property
    def fragment(self) -> str:
        return self.operation.fragment(self.n)


@dataclass(frozen=True)
class MiniProblem:
    """A problem as the world knows it; the models see only its statement."""

    stages: tuple[Stage, ...]
    template: int

    @property
    def composition(self) -> tuple[str, ...]:
        return tuple(s.operation.name for s in self.stages)

    @cached_property
    def statement(self) -> str:
        opening, joint, closing = TEMPLATES[self.template]
        return opening + joint.join(s.phrase for s in self.stages) + closing

    def answer(self, values: list[int]) -> int:
        """The right output for an input; raises where the problem is not defined on it."""
        result = values
        for stage in self.stages:
            result = stage.operation.apply(result, stage.n)
        return int(result)  # type: ignore[call-overload]

    def tests(self, rng: random.Random) -> tuple[TestCase, ...]:
        """Up to `TESTS` inputs of 5 to 9 integers on which the problem is defined."""
        cases: dict[str, str] = {}
        for _ in range(400):
            values = [rng.randint(-12, 15) for _ in range(rng.randint(5, 9))]
            try:
                expected = self.answer(list(values))
            except (ValueError, IndexError):
                continue
            cases[" ".join(map(str, values))] = str(expected)
            if len(cases) == TESTS:
                break
        return tuple(TestCase(i + "\n", o + "\n") for i, o in cases.items())


def _unit(*key: object) -> float:
    """A number in [0, 1) that depends on the key alone."""
    digest = hashlib.sha256("\x1f".join(map(str, key)).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def is_for_pretraining(composition: tuple[str, ...]) -> bool:
    return _unit("pretraining", *composition) < PRETRAINING_SHARE


def split_of(seed: int, composition: tuple[str, ...]) -> Split:
    """Which split of the world `seed` a composition belongs to: half of them train."""
    u = _unit("world", seed, *composition)
    return "train" if u < 0.5 else "development" if u < 0.7 else "held_out"


def draw(rng: random.Random, length: int | None = None) -> MiniProblem:
    """A random problem of two to four operations, from any part of the space."""
    steps = [op for op in OPERATIONS.values() if op.kind != "reduce"]
    reductions = [op for op in OPERATIONS.values() if op.kind == "reduce"]
    chosen = [*rng.sample(steps, (length or rng.randint(2, 4)) - 1), rng.choice(reductions)]
    stages = tuple(Stage(op, rng.randint(2, 9), rng.randrange(2)) for op in chosen)
    return MiniProblem(stages, rng.randrange(len(TEMPLATES)))


def mini_problems(seed: int, split: str, count: int) -> list[tuple[str, MiniProblem, Problem]]:
    """`count` different problems of a split: id, what the world knows, what a judge needs."""
    if split not in SPLITS:
        raise ConfigError(
            f"split {split!r} of the miniature world is unknown", nearest(split, SPLITS)
        )
    rng = random.Random(f"{seed}/{split}")
    found: dict[str, tuple[str, MiniProblem, Problem]] = {}
    while len(found) < count:
        problem = draw(rng)
        composition = problem.composition
        if is_for_pretraining(composition) or split_of(seed, composition) != split:
            continue
        tests = problem.tests(rng)
        varied = len({t.expected for t in tests}) >= 3  # else a constant could pass
        if len(tests) < TESTS or not varied or problem.statement in found:
            continue
        name = f"mini-{seed}-{split}-{len(found):04d}"
        judged = Problem(
            problem_id=name,
            prompt=problem.statement,
            tests=tests,
            difficulty=("easy", "medium", "hard")[len(composition) - 2],
            metadata={"composition": list(composition)},
        )
        found[problem.statement] = (name, problem, judged)
    return list(found.values())


def problems(seed: int, split: str, count: int) -> list[Problem]:
    """The first `count` problems of a split of the world `seed`.

    Raises:
        ConfigError: unknown split.
    """
    return [judged for _, _, judged in mini_problems(seed, split, count)]
