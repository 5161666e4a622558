"""What a report is made from: everything the earlier stages stored, already read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tessy.records import JudgedAnswer, Part, Trajectory, Writer

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
    epoch: int | None = None  # the model after so many epochs; None is the trained one
    direct: bool = False  # the method's own responses to the benchmark, nothing trained


@dataclass(frozen=True)
class Written:
    """Sums over the samples of a data set."""

    samples: int
    finishes: Mapping[str, int]
    tokens: Mapping[tuple[Writer, Part], int]  # with the student's tokenizer


@dataclass(frozen=True)
class DataSet:
    """What one method synthesized in one world."""

    method: str
    world: int
    trajectories: Iterable[Trajectory]  # may be iterated again; those of a large set lie on disk
    counts: Mapping[str, float]  # of the synthesis: samples, rollbacks, tokens, ...
    artifact: str = ""  # name of the synthesis's artifact, with its fingerprint
    vocabulary: Path | None = None  # the checkpoint whose tokenizer counts the tokens

    @cached_property
    def written(self) -> Written:
        samples, finishes, tokens = 0, Counter[str](), Counter[tuple[Writer, Part]]()
        for done in self.trajectories:
            samples += 1
            finishes[done.finish] += 1
            for span in done.spans:
                tokens[span.writer, span.part] += span.n_tokens
        return Written(samples, finishes, tokens)


@dataclass(frozen=True)
class TrainingCurve:
    """The log of one SFT; each point has at least step, epoch, loss and learning_rate."""

    method: str
    world: int
    sft_seed: int
    learning_rate: float
    points: tuple[Mapping[str, float], ...]
    artifact: str = ""


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


@dataclass(frozen=True)
class Case:
    """What one case of a figure of the paper compares."""

    figure: str  # "table1", "fig3", ...
    name: str
    author: str  # the student that wrote the data with the teacher
    max_tokens: int  # of the synthesis
    data: ReportData
    planned: tuple[str, ...] = ()  # labels of nodes that this case needs and that are not made


@dataclass(frozen=True)
class Study:
    """The input of `eval.report.study.write_study`: an experiment that consists of figures."""

    experiment: str
    cases: tuple[Case, ...]
    costs: tuple[StageCost, ...]
    provenance: Mapping[str, Any]
    drops: Mapping[str, int]
