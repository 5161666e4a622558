"""Ways to make the data, by `MethodConfig.kind`: one file each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tessy.records import Trajectory, Writer
from tessy.synthesis.journal import Journal
from tessy.synthesis.methods.student_only import student_only
from tessy.synthesis.methods.teacher_only import teacher_only
from tessy.synthesis.methods.tessy import tessy
from tessy.synthesis.parts import Cast, Task


@dataclass(frozen=True)
class Method:
    """How a sample is made, and whom that needs."""

    make: Callable[[Cast, Task, Journal], Awaitable[Trajectory]]
    writers: tuple[Writer, ...]
    predictors: bool


METHODS: dict[str, Method] = {
    "tessy": Method(tessy, ("student", "teacher"), predictors=True),
    "teacher_only": Method(teacher_only, ("teacher",), predictors=False),
    "student_only": Method(student_only, ("student",), predictors=False),
}
