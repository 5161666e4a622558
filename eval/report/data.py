"""What a report is made from: everything the earlier stages stored, already read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tessy.records import JudgedAnswer, Trajectory

BASE = "base"  # the student before any training


@dataclass(frozen=True)
class EvaluatedModel:
    """All judged answers of one model to one benchmark."""

    method: str  # BASE, or how the data it was trained on was made
    world: int  # 0 outside the miniature world
    sft_seed: int | None  # None for BASE
    learning_rate: float | None  # None for BASE
    benchmark: str
    answers: tuple[JudgedAnswer, ...]
    artifact: str  # name of the evaluation's artifact, with its fingerprint


@dataclass(frozen=True)
class DataSet:
    """What one method synthesized in one world."""

    method: str
    world: int
    trajectories: tuple[Trajectory, ...]
    counts: Mapping[str, float]  # of the synthesis: samples, rollbacks, tokens, ...
    correct: float | None  # share of the samples whose program passes, where it can be known


@dataclass(frozen=True)
class TrainingCurve:
    """The log of one SFT; each point has at least step, epoch, loss and learning_rate."""

    method: str
    world: int
    sft_seed: int
    learning_rate: float
    points: tuple[Mapping[str, float], ...]


@dataclass(frozen=True)
class StageCost:
    """Wall time of one node of the stage graph."""

    stage: str
    name: str
    seconds: float
    done_before: bool  # by an earlier run; this run found it finished


@dataclass(frozen=True)
class ReportData:
    """The input of `eval.report.write_report`."""

    experiment: str
    student: str
    teacher: str
    models: tuple[EvaluatedModel, ...]
    datasets: tuple[DataSet, ...] = ()
    curves: tuple[TrainingCurve, ...] = ()
    costs: tuple[StageCost, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)  # seeds, versions, fingerprints
    drops: Mapping[str, int] = field(default_factory=dict)  # what was dropped, cut or failed
