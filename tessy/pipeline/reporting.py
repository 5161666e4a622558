"""The last stage: gather what the others stored, write the report unless it is there already."""

from __future__ import annotations

import dataclasses
import json
import platform
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from tessy.checkpoints import locate
from tessy.config import Experiment
from tessy.errors import TessyError
from tessy.pipeline.disk import storage_errors, write_json
from tessy.pipeline.graph import BASE, Node, by_case
from tessy.pipeline.stages import ANSWERS, TRAJECTORIES
from tessy.pipeline.store import Manifest, Store, package_versions
from tessy.records import JudgedAnswer, Trajectory, read_jsonl
from train.curve import CURVE, read_curve

if TYPE_CHECKING:
    from eval.report.data import ReportData

INPUTS = "inputs.json"  # which artifacts the report in the folder was made from
RESULTS = "results.json"
TERMINAL = "results.txt"  # the table as the terminal shows it
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


def report_folder(experiment: Experiment) -> Path:
    """Where the report of an experiment lies."""
    return Path(experiment.outputs_dir) / "reports" / experiment.name


def report_is_there(node: Node, made: Collection[str], experiment: Experiment) -> bool:
    """Whether the report in the folder was made from exactly these artifacts.

    Args:
        made: fingerprints of the artifacts that are complete.
    """
    folder = report_folder(experiment)
    try:
        inputs = json.loads((folder / INPUTS).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return False
    return bool(inputs == _inputs(node, made)) and all(
        (folder / name).is_file() for name in ("report.html", RESULTS, TERMINAL)
    )


def tracked_rows(experiment: Experiment) -> list[dict[str, Any]]:
    """The rows of results.json as `StageLog.results` takes them; of figures the scores."""
    rows = json.loads((report_folder(experiment) / RESULTS).read_text(encoding="utf-8"))
    if not experiment.cases:
        return rows
    return [
        {
            "benchmark": row["panel"],
            "method": f"{row['figure']}/{row['group']}/{row['bar']}",
            "pass_at_1": row["ours"] / 100,
            "ci95": [bound / 100 for bound in row["ci95"]],
            "delta_vs_base": None,
            "delta_ci95": None,
        }
        for row in rows
        if row["ours"] is not None and row["unit"].startswith("pass@1")
    ]


def make_report(
    node: Node,
    nodes: Sequence[Node],
    manifests: Mapping[str, Manifest],
    done_before: set[str],
    store: Store,
    experiment: Experiment,
    failed: Mapping[str, str],
) -> None:
    """Write the report's files and the terminal's table.

    Args:
        node: the report's.
        nodes: the whole graph.
        manifests: of all nodes but the report, by fingerprint.
        done_before: fingerprints of those that an earlier run made.
        store: where they lie.
        experiment: what is reported on.
        failed: why some nodes of its tables and figures could not be made, by fingerprint.
    """
    folder = report_folder(experiment)
    with storage_errors(folder):
        (folder / INPUTS).unlink(missing_ok=True)  # what follows replaces what it spoke of
        if experiment.cases:
            printed = _write_study(manifests, nodes, done_before, store, experiment, folder, failed)
        else:
            printed = _write(manifests, nodes, done_before, store, experiment, folder)
        with (folder / TERMINAL).open("w", encoding="utf-8") as file:
            Console(file=file, width=110).print(*printed)
        write_json(folder / INPUTS, _inputs(node, manifests))


def _inputs(node: Node, made: Collection[str]) -> dict[str, Any]:
    """What a report was made from, and what of it was missing."""
    missing = [p.fingerprint for p in node.parents if p.fingerprint not in made]
    return {"fingerprint": node.fingerprint, "missing": missing}


def _write(
    manifests: Mapping[str, Manifest],
    nodes: Sequence[Node],
    done_before: set[str],
    store: Store,
    experiment: Experiment,
    folder: Path,
) -> list[Any]:
    from eval.report import terminal, write_report

    data = gather(nodes, manifests, done_before, store, experiment)
    return [terminal(write_report(data, folder, experiment.report))]


def _write_study(
    manifests: Mapping[str, Manifest],
    nodes: Sequence[Node],
    done_before: set[str],
    store: Store,
    experiment: Experiment,
    folder: Path,
    failed: Mapping[str, str],
) -> list[Any]:
    from eval.report.data import Case, Study
    from eval.report.study import terminal, write_study

    answers: dict[str, tuple[JudgedAnswer, ...]] = {}  # the base model's are of many cases
    cases = []
    for name, of_case in by_case(experiment):
        figure, _, short = name.partition("/")
        case = experiment.case(name)
        data = gather(of_case, manifests, done_before, store, case, answers)
        to_do = tuple(
            failed.get(node.fingerprint, node.label)
            for node in of_case
            if node.fingerprint not in manifests
        )
        cases.append(Case(figure, short, case.author.name, case.sampling.max_tokens, data, to_do))
    whole = gather(nodes, manifests, done_before, store, experiment, answers, with_results=False)
    study = Study(experiment.name, tuple(cases), whole.costs, whole.provenance, whole.drops)
    return list(terminal(write_study(study, folder, experiment.report)))


def gather(
    nodes: Sequence[Node],
    manifests: Mapping[str, Manifest],
    done_before: set[str],
    store: Store,
    experiment: Experiment,
    answers: dict[str, tuple[JudgedAnswer, ...]] | None = None,
    with_results: bool = True,
) -> ReportData:
    """Read everything that a report shows from the artifacts.

    Args:
        answers: those that were read before, by fingerprint; what is read is added.
        with_results: False leaves answers, data and curves out.
    """
    from eval.report.data import ReportData, StageCost

    made = [node for node in nodes if node.fingerprint in manifests]
    shown = made if with_results else []
    return ReportData(
        experiment=experiment.name,
        student=experiment.student.name,
        teacher=experiment.teacher.name,
        models=tuple(_models(shown, store, {} if answers is None else answers)),
        datasets=tuple(_datasets(shown, manifests, store, experiment)),
        curves=tuple(_curves(shown, store)),
        costs=tuple(
            StageCost(
                node.stage,
                node.name,
                manifests[node.fingerprint].seconds,
                node.fingerprint in done_before,
            )
            for node in made
        ),
        provenance=_provenance(made, store, experiment),
        drops=losses(manifests.values()),
    )


def losses(manifests: Iterable[Manifest]) -> dict[str, int]:
    """What was dropped, cut or failed: counts of the manifests, summed by stage."""
    total: dict[str, int] = {}
    for manifest in manifests:
        for name, count in manifest.counts.items():
            if count and any(word in name for word in LOSSES):
                key = f"{manifest.stage}: {name}"
                total[key] = total.get(key, 0) + int(count)
    return total


def _models(
    nodes: Iterable[Node], store: Store, answers: dict[str, tuple[JudgedAnswer, ...]]
) -> Iterator[Any]:
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


def _datasets(
    nodes: Iterable[Node], manifests: Mapping[str, Manifest], store: Store, experiment: Experiment
) -> Iterator[Any]:
    from eval.report.data import DataSet

    try:
        vocabulary = locate(experiment.author.path, weights=False)
    except TessyError:  # data that was made on another machine
        vocabulary = None
    for node in nodes:
        if node.stage == "synthesize" and node.subject.benchmark is None:
            counts = manifests[node.fingerprint].counts
            folder = store.folder(node)
            yield DataSet(
                method=node.subject.method or "",
                world=node.subject.world,
                trajectories=Stored(folder / TRAJECTORIES),
                counts=counts,
                correct=counts.get("correct"),
                artifact=folder.name,
                vocabulary=vocabulary,
            )


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
