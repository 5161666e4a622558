"""An artifact to be, named by all that its result depends on."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

# Raise a stage's number when its stored results change meaning: they are then made anew.
STAGE_VERSIONS: Mapping[str, int] = {
    "questions": 1,
    "predictor": 1,
    "synthesize": 1,
    "score": 1,
    "sft": 1,
    "evaluate": 1,
    "report": 1,
    "push": 1,
}
BASE = "base"  # the student before any training


@dataclass(frozen=True)
class Subject:
    """What a node is about, as keys into the experiment."""

    world: int = 0  # seed of the miniature world; 0 outside of it
    case: str = ""  # as `Experiment.case` takes it
    method: str | None = None  # as `method_of` takes it
    learning_rate: float | None = None
    sft_seed: int | None = None
    benchmark: str | None = None  # key of Experiment.benchmarks
    epoch: int | None = None  # the model after so many epochs; None is the trained one
    direct: bool = False  # the method's own responses to the benchmark, nothing trained


@dataclass(frozen=True, eq=False)
class Node:
    """One artifact to be."""

    stage: str
    name: str  # readable; not part of the fingerprint
    config: Mapping[str, Any]  # exactly what changes the result
    parents: tuple[Node, ...] = ()
    subject: Subject = dataclasses.field(default_factory=Subject)  # not part of it either

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits of the SHA-256 of all that the result depends on."""
        identity = {
            "stage": self.stage,
            "version": STAGE_VERSIONS[self.stage],
            "config": self.config,
            "parents": [parent.fingerprint for parent in self.parents],
        }
        text = json.dumps(identity, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def label(self) -> str:
        """For progress bars and messages."""
        return f"{self.stage} {self.name}"

    def parent(self, stage: str) -> Node:
        """The parent of that stage."""
        return next(parent for parent in self.parents if parent.stage == stage)
