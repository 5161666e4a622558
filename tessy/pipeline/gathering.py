"""Everything that a report shows, read from the artifacts."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tessy.checkpoints import locate
from tessy.config import Experiment
from tessy.errors import TessyError
from tessy.pipeline.graph import by_case
from tessy.pipeline.node import BASE, Node
from tessy.pipeline.store import Manifest, Store, package_versions
from tessy.records import ANSWERS, TRAJECTORIES, JudgedAnswer, Trajectory, read_jsonl
from train.curve import CURVE, read_curve

if TYPE_CHECKING:
    from eval.report.data import ReportData, Study

# Counts whose names say that something did not come through whole.
LOSSES = (
    *("dropped", "discarded", "truncated", "length", "degenerate", "failed"),
    *("retried", "no_code", "judge_fault", "unfinished", "unparsed"),
)


@dataclass(frozen=True)
class Stored:
    """The trajectories of a file, read anew each time: those of a large set fill no memory."""

    path: Path

    def __iter__(self) -> Iterator[Trajectory]:
        return read_jsonl(self.path, Trajectory)


Answers = dict[str, tuple[JudgedAnswer, ...]]  # by fingerprint


@dataclass(frozen=True)
class Made:
    """What has been made of an experiment's graph, now or earlier."""

    experiment: Experiment
    nodes: Sequence[Node]  # the whole graph
    manifests: Mapping[str, Manifest]  # of what is complete, by fingerprint
    done_before: Collection[str]  # fingerprints of what an earlier run made
    store: Store
    failed: Mapping[str, str] = field(default_factory=dict)  # why a node could not be made


def gather(made: Made) -> ReportData:
    """All of an experiment without figures."""
    return _gather(made, made.experiment, made.nodes, {})


def gather_study(made: Made) -> Study:
    """The cases of an experiment's figures, each with what it still lacks."""
    from eval.report.data import Case, Study

    answers: Answers = {}  # the base model's are of many cases
    cases = []
    for name, of_case in by_case(made.experiment):
        figure, _, short = name.partition("/")
        case = made.experiment.case(name)
        data = _gather(made, case, of_case, answers)
        to_do = tuple(
            made.failed.get(node.fingerprint, node.label)
            for node in of_case
            if node.fingerprint not in made.manifests
        )
        cases.append(Case(figure, short, case.author.name, case.sampling.max_tokens, data, to_do))
    whole = _gather(made, made.experiment, made.nodes, answers, with_results=False)
    return Study(made.experiment.name, tuple(cases), whole.costs, whole.provenance, whole.drops)


def losses(manifests: Iterable[Manifest]) -> dict[str, int]:
    """What was dropped, cut or failed: counts of the manifests, summed by stage."""
    total: dict[str, int] = {}
    for manifest in manifests:
        for name, count in manifest.counts.items():
            if count and any(word in name for word in LOSSES):
                key = f"{manifest.stage}: {name}"
                total[key] = total.get(key, 0) + int(count)
    return total


def _gather(
    made: Made,
    experiment: Experiment,
    nodes: Iterable[Node],
    answers: Answers,
    with_results: bool = True,
) -> ReportData:
    """What was made of some nodes.

    Args:
        experiment: theirs: that of a case, or the whole.
        answers: those that were read before; what is read is added.
        with_results: False leaves answers, data and curves out.
    """
    from eval.report.data import ReportData, StageCost

    complete = [node for node in nodes if node.fingerprint in made.manifests]
    shown = complete if with_results else []
    return ReportData(
        experiment=experiment.name,
        student=experiment.student.name,
        teacher=experiment.teacher.name,
        models=tuple(_models(shown, made.store, answers)),
        datasets=tuple(_datasets(shown, made, experiment)),
        curves=tuple(_curves(shown, made.store)),
        costs=tuple(
            StageCost(
                node.stage,
                node.name,
                made.manifests[node.fingerprint].seconds,
                node.fingerprint in made.done_before,
            )
            for node in complete
        ),
        provenance=_provenance(complete, made.store, experiment),
        drops=losses(made.manifests.values()),
    )


def _models(nodes: Iterable[Node], store: Store, answers: Answers) -> Iterator[Any]:
    from eval.report.data import EvaluatedModel

    for node in nodes:
        if node.stage == "evaluate":
            folder = store.folder(node)
            if node.fingerprint not in answers:
                answers[node.fingerprint] = tuple(read_jsonl(folder / ANSWERS, JudgedAnswer))
            yield EvaluatedModel(
                method=node.subject.method or BASE,
                world=node.subject.world,
                sft_seed=node.subject.sft_seed,
                learning_rate=node.subject.learning_rate,
                benchmark=node.subject.benchmark or "",
                answers=answers[node.fingerprint],
                artifact=folder.name,
                epoch=node.subject.epoch,
                direct=node.subject.direct,
            )


def _datasets(nodes: Iterable[Node], made: Made, experiment: Experiment) -> Iterator[Any]:
    from eval.report.data import DataSet

    vocabulary = vocabulary_of(experiment)
    for node in nodes:
        if node.stage == "synthesize" and node.subject.benchmark is None:
            counts = made.manifests[node.fingerprint].counts
            folder = made.store.folder(node)
            yield DataSet(
                method=node.subject.method or "",
                world=node.subject.world,
                trajectories=Stored(folder / TRAJECTORIES),
                counts=counts,
                artifact=folder.name,
                vocabulary=vocabulary,
            )


def vocabulary_of(experiment: Experiment) -> Path | None:
    """The checkpoint whose tokenizer counts tokens; None if its data was made elsewhere."""
    try:
        return locate(experiment.author.path, weights=False)
    except TessyError:
        return None


def _curves(nodes: Iterable[Node], store: Store) -> Iterator[Any]:
    from eval.report.data import TrainingCurve

    for node in nodes:
        if node.stage == "sft":
            about = node.subject
            assert about.sft_seed is not None and about.learning_rate is not None
            points = tuple(read_curve(store.folder(node) / CURVE))
            yield TrainingCurve(
                about.method or "",
                about.world,
                about.sft_seed,
                about.learning_rate,
                points,
                store.folder(node).name,
            )


def _provenance(nodes: Iterable[Node], store: Store, experiment: Experiment) -> dict[str, Any]:
    return {
        "config": dataclasses.asdict(dataclasses.replace(experiment, cases={})),
        "artifacts": [f"{node.stage}/{store.folder(node).name}" for node in nodes],
        "packages": package_versions(),
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
