"""Ways to make the data, by `MethodConfig.kind`: one file each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tessy.config import MethodKind
from tessy.records import Trajectory, Writer
from tessy.synthesis.journal import Journal
from tessy.synthesis.methods.student_only import student_only
from tessy.synthesis.methods.teacher_answer import teacher_answer
from tessy.synthesis.methods.teacher_mix import teacher_mix
from tessy.synthesis.methods.teacher_only import teacher_only
from tessy.synthesis.methods.teacher_reference import teacher_reference
from tessy.synthesis.methods.teacher_score import teacher_score
from tessy.synthesis.methods.teacher_think import teacher_think
from tessy.synthesis.methods.tessy import tessy
from tessy.synthesis.needs import NEEDS
from tessy.synthesis.parts import Cast, Task

Make = Callable[[Cast, Task, Journal], Awaitable[Trajectory]]


@dataclass(frozen=True)
class Method:
    """How a sample is made, and what that needs (see `Needs`)."""

    make: Make
    writers: tuple[Writer, ...]
    predictors: bool
    thinking: bool
    parents: tuple[MethodKind, ...]


_MAKE: dict[MethodKind, Make] = {
    "tessy": tessy,
    "teacher_only": teacher_only,
    "student_only": student_only,
    "teacher_mix": teacher_mix,
    "teacher_think": teacher_think,
    "teacher_answer": teacher_answer,
    "teacher_reference": teacher_reference,
    "teacher_score": teacher_score,
}
METHODS: dict[str, Method] = {
    kind: Method(make, **vars(NEEDS[kind])) for kind, make in _MAKE.items()
}
