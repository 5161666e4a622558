"""Run an experiment: what is done is skipped, what is begun goes on, the rest is made."""

from __future__ import annotations

import dataclasses
import resource
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from rich.console import Console

from tessy.config import Experiment
from tessy.errors import DataError
from tessy.machine import peak_memory
from tessy.pipeline.gathering import Made, losses
from tessy.pipeline.graph import build
from tessy.pipeline.lock import locked
from tessy.pipeline.node import Node
from tessy.pipeline.plan import show_plan
from tessy.pipeline.reporting import (
    TERMINAL,
    make_report,
    own_folder,
    report_folder,
    report_is_there,
    tracked_rows,
)
from tessy.pipeline.requirements import require
from tessy.pipeline.scores import score_table
from tessy.pipeline.stages import STAGE_FUNCTIONS
from tessy.pipeline.store import Manifest, Store
from tessy.pipeline.tracking import StageLog, Tracker
from tessy.records import ANSWERS, TRAJECTORIES
from train.curve import CURVE, read_curve


def execute(experiment: Experiment, group: str = "") -> int:
    """Do what `experiment.stages` asks for.

    Args:
        experiment: what is to be done.
        group: of its runs in the tracking; its name by default.

    Returns:
        How many artifacts and reports were made, not those that were there.

    Raises:
        MissingError: before any work, naming all that this machine lacks.
        ArtifactError: an artifact on the disk is corrupt.
        StorageError: the disk refuses.
        DataError: a stage has no data to work on. Of an experiment of tables and figures all else
            is done before, and the report shows what failed.
    """
    began = time.monotonic()
    console = Console(highlight=False)
    store = Store(Path(experiment.outputs_dir))
    nodes = build(experiment)
    *work, report = nodes
    manifests = {
        node.fingerprint: manifest
        for node in work
        if (manifest := store.manifest(node)) is not None
    }
    done_before = set(manifests)
    reported = report_is_there(report, done_before, experiment)
    done = [node for node in work if node.fingerprint in manifests] + [report] * reported
    if experiment.stages == ("plan",):
        show_plan(experiment, nodes, done, store, console)
        return 0
    tracker = Tracker(experiment.tracking, store.outputs, group or experiment.name)
    if experiment.stages == ("compare",):
        from tessy.pipeline.comparing import compare_stage

        compare_stage(experiment, report, manifests, store, tracker, console)
        return 0
    todo = [node for node in nodes if node.stage in experiment.stages and node not in done]
    require(experiment, todo, done)
    kept = ""
    failed: dict[str, str] = {}  # of a table or figure, the rest of which goes on
    for number, node in enumerate(n for n in todo if n is not report):
        console.print(f"[{number + 1}/{len(todo)}] {node.label}", markup=False)
        case = experiment.case(node.subject.case)
        try:
            _check_parents(node, failed)
            manifests[node.fingerprint], made = run_node(node, store, case, tracker)
        except DataError as error:
            if not experiment.cases:
                raise
            failed[node.fingerprint] = f"{node.label}: {error}"
            console.print(f"failed    {failed[node.fingerprint]}", markup=False, soft_wrap=True)
            continue
        if not made:
            done_before.add(node.fingerprint)
    if report in todo:
        made_of = Made(experiment, nodes, manifests, done_before, store, failed)
        with locked(report_folder(experiment)), _tracked(report, store, tracker) as log:
            kept = own_folder(experiment, report)
            make_report(report, made_of)
            log.results(tracked_rows(experiment))
    if report in todo or (reported and "report" in experiment.stages):
        _print_table(experiment, console)
    if kept:
        console.print(f"Kept      {kept}", markup=False, soft_wrap=True)
    asked = [n for n in work if n.stage in experiment.stages and n.fingerprint in manifests]
    scored = [node for node in asked if node.stage == "score"]
    if scored:
        console.print(score_table(scored, manifests))
    _print_cost(asked, manifests, done_before, console)
    nothing = "nothing was to do, " if not todo else ""
    console.print(f"Done: {nothing}{time.monotonic() - began:.1f} s, {_peak_memory()}.")
    if failed:
        raise DataError(
            f"{len(failed)} of {len(todo)} stages failed, the first: {next(iter(failed.values()))}",
            "the rest is done and in the report; mend it and repeat the command",
        )
    return sum(node is report or node.fingerprint not in done_before for node in todo)


def _check_parents(node: Node, failed: Mapping[str, str]) -> None:
    for parent in node.parents:
        if parent.fingerprint in failed:
            raise DataError(f"it needs {failed[parent.fingerprint]}")


def run_node(
    node: Node, store: Store, experiment: Experiment, tracker: Tracker
) -> tuple[Manifest, bool]:
    """Make one artifact, or go on with it where an earlier run ended.

    Returns:
        Its manifest, and whether it was made here: not if another process made it meanwhile.
    """
    with store.working(node) as folder:
        finished = store.manifest(node)
        if finished is not None:
            return finished, False
        with _tracked(node, store, tracker) as log:
            counts = STAGE_FUNCTIONS[node.stage](node, store, experiment)
            manifest = store.complete(node, counts)
            _log(log, manifest, folder)
        return manifest, True


def _tracked(node: Node, store: Store, tracker: Tracker) -> AbstractContextManager[StageLog]:
    settings = {**node.config, "parents": store.parents(node)}
    return tracker.stage(node.stage, node.name, node.fingerprint, settings)


def _log(log: StageLog, manifest: Manifest, folder: Path) -> None:
    """Log what a stage has made."""
    if manifest.stage == "sft":
        log.curve(read_curve(folder / CURVE))
    elif manifest.stage == "synthesize":
        log.trajectories(folder / TRAJECTORIES)
    elif manifest.stage == "evaluate":
        log.predictions(folder / ANSWERS)
    log.summary({**manifest.counts, "seconds": manifest.seconds})
    about = {k: v for k, v in dataclasses.asdict(manifest).items() if k != "files"}
    log.artifact(folder, [file["path"] for file in manifest.files], manifest.stage, about)


def _print_table(experiment: Experiment, console: Console) -> None:
    folder = report_folder(experiment)
    print((folder / TERMINAL).read_text(encoding="utf-8"))
    console.print(f"Report    {folder / 'report.html'}", markup=False, soft_wrap=True)
    console.print(f"Results   {folder / 'results.json'} (.csv, .md)", markup=False, soft_wrap=True)
    artifacts = Path(experiment.outputs_dir) / "artifacts"
    console.print(f"Artifacts {artifacts}", markup=False, soft_wrap=True)
    if experiment.tracking.kind == "wandb":
        runs = Path(experiment.outputs_dir) / "wandb"
        console.print(f"W&B       {runs}", markup=False, soft_wrap=True)


def _print_cost(
    nodes: Sequence[Node],
    manifests: Mapping[str, Manifest],
    done_before: set[str],
    console: Console,
) -> None:
    for stage in dict.fromkeys(node.stage for node in nodes):
        these = [node for node in nodes if node.stage == stage]
        new = _seconds(manifests, (n for n in these if n.fingerprint not in done_before))
        old = _seconds(manifests, (n for n in these if n.fingerprint in done_before))
        reused = sum(node.fingerprint in done_before for node in these)
        earlier = f", {reused} done before ({old:.1f} s then)" if reused else ""
        made = len(these) - reused
        console.print(f"Cost      {stage}: {made} made in {new:.1f} s{earlier}")
    for what, count in losses(manifests.values()).items():
        console.print(f"Lost      {what} {count}")


def _seconds(manifests: Mapping[str, Manifest], nodes: Iterable[Node]) -> float:
    return sum(manifests[node.fingerprint].seconds for node in nodes)


def _peak_memory() -> str:
    """The largest resident size of this process or a child of it."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return f"at most {max(peak_memory(), children) / 1e9:.2f} GB of memory"
