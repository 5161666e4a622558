"""The last stage: gather what the others stored, write the report unless it is there already."""

from __future__ import annotations

import dataclasses
import json
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from tessy.config import Experiment
from tessy.pipeline.disk import storage_errors, write_json
from tessy.pipeline.graph import BASE, Node
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


def report_folder(experiment: Experiment) -> Path:
    """Where the report of an experiment lies."""
    return Path(experiment.outputs_dir) / "reports" / experiment.name


def report_is_there(node: Node, experiment: Experiment) -> bool:
    """Whether the report in the folder was made from exactly these artifacts."""
    folder = report_folder(experiment)
    try:
        inputs = json.loads((folder / INPUTS).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return False
    return bool(inputs == {"fingerprint": node.fingerprint}) and all(
        (folder / name).is_file() for name in ("report.html", RESULTS, TERMINAL)
    )


def make_report(
    node: Node,
    nodes: Sequence[Node],
    manifests: Mapping[str, Manifest],
    done_before: set[str],
    store: Store,
    experiment: Experiment,
) -> None:
    """Write the report's files and the terminal's table.

    Args:
        node: the report's.
        nodes: the whole graph.
        manifests: of all nodes but the report, by fingerprint.
        done_before: fingerprints of those that an earlier run made.
        store: where they lie.
        experiment: what is reported on.
    """
    from eval.report import terminal, write_report

    folder = report_folder(experiment)
    data = gather(nodes, manifests, done_before, store, experiment)
    with storage_errors(folder):
        (folder / INPUTS).unlink(missing_ok=True)  # what follows replaces what it spoke of
        table = write_report(data, folder, experiment.report)
        with (folder / TERMINAL).open("w", encoding="utf-8") as file:
            Console(file=file, width=110).print(terminal(table))
        write_json(folder / INPUTS, {"fingerprint": node.fingerprint})


def gather(
    nodes: Sequence[Node],
    manifests: Mapping[str, Manifest],
    done_before: set[str],
    store: Store,
    experiment: Experiment,
) -> ReportData:
    """Read everything that a report shows from the artifacts."""
    from eval.report.data import ReportData, StageCost

    made = [node for node in nodes if node.fingerprint in manifests]
    return ReportData(
        experiment=experiment.name,
        student=experiment.student.name,
        teacher=experiment.teacher.name,
        models=tuple(_models(made, store)),
        datasets=tuple(_datasets(made, manifests, store)),
        curves=tuple(_curves(made, store)),
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


def _models(nodes: Iterable[Node], store: Store) -> Iterator[Any]:
    from eval.report.data import EvaluatedModel

    for node in nodes:
        if node.stage == "evaluate":
            folder = store.folder(node)
            yield EvaluatedModel(
                method=node.subject.method or BASE,
                world=node.subject.world,
                sft_seed=node.subject.sft_seed,
                learning_rate=node.subject.learning_rate,
                benchmark=node.subject.benchmark or "",
                answers=tuple(read_jsonl(folder / ANSWERS, JudgedAnswer)),
                artifact=folder.name,
            )


def _datasets(
    nodes: Iterable[Node], manifests: Mapping[str, Manifest], store: Store
) -> Iterator[Any]:
    from eval.report.data import DataSet

    for node in nodes:
        if node.stage == "synthesize":
            counts = manifests[node.fingerprint].counts
            yield DataSet(
                method=node.subject.method or "",
                world=node.subject.world,
                trajectories=tuple(read_jsonl(store.folder(node) / TRAJECTORIES, Trajectory)),
                counts=counts,
                correct=counts.get("correct"),
            )


def _curves(nodes: Iterable[Node], store: Store) -> Iterator[Any]:
    from eval.report.data import TrainingCurve

    for node in nodes:
        if node.stage == "sft":
            about = node.subject
            assert about.sft_seed is not None and about.learning_rate is not None
            points = tuple(read_curve(store.folder(node) / CURVE))
            yield TrainingCurve(
                about.method or "", about.world, about.sft_seed, about.learning_rate, points
            )


def _provenance(nodes: Iterable[Node], store: Store, experiment: Experiment) -> dict[str, Any]:
    return {
        "config": dataclasses.asdict(experiment),
        "artifacts": [f"{node.stage}/{store.folder(node).name}" for node in nodes],
        "packages": package_versions(),
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
