"""What each method needs: models that write, predictors, and other methods' samples.

This table is apart from the methods, so that a plan can be made without importing what makes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tessy.config import MethodConfig, MethodKind
from tessy.records import Writer


@dataclass(frozen=True)
class Needs:
    """What a method takes to make a sample."""

    writers: tuple[Writer, ...]  # who generates; all others need not even be on the machine
    predictors: bool = False
    thinking: bool = False  # those who generate must think, or at least read what was thought
    # Methods whose sample of the same question and repeat it goes on from: it generates only what
    # those have not generated.
    parents: tuple[MethodKind, ...] = ()


NEEDS: Mapping[MethodKind, Needs] = {
    "tessy": Needs(("student", "teacher"), predictors=True, thinking=True),
    "teacher_only": Needs(("teacher",)),
    "student_only": Needs(("student",)),
    "teacher_mix": Needs((), parents=("student_only", "teacher_only")),
    "teacher_think": Needs(("student",), thinking=True, parents=("teacher_only",)),
    "teacher_answer": Needs(("teacher",), thinking=True, parents=("student_only",)),
    "teacher_reference": Needs(("student",), parents=("teacher_only",)),
    "teacher_score": Needs(("student", "teacher"), parents=("student_only",)),
}


def needs_predictors(method: MethodConfig) -> bool:
    """Whether a method's kind, or how it scores, reads the boundary predictors."""
    agreeing = method.kind == "teacher_score" and method.scorer == "agreement"
    return NEEDS[method.kind].predictors or agreeing
