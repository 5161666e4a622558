"""The last stage: write the report unless it is there already, in a folder of its experiment's."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from tessy.config import Experiment
from tessy.pipeline.disk import contents, storage_errors, write_json
from tessy.pipeline.gathering import Made, gather, gather_study
from tessy.pipeline.node import Node

INPUTS = "inputs.json"  # which artifacts the report in the folder was made from
OWNER = "experiment.json"  # whose folder it is: the artifacts and options of the experiment
RESULTS = "results.json"
TERMINAL = "results.txt"  # the table as the terminal shows it
SHOWN = 3  # options that a message names


def report_folder(experiment: Experiment) -> Path:
    """Where the report of an experiment lies."""
    return Path(experiment.outputs_dir) / "reports" / experiment.name


def own_folder(experiment: Experiment, report: Node, for_report: bool = True) -> str:
    """Make the folder the experiment's; what another one of its name has there is kept beside it.

    An experiment that has grown, by a seed or a benchmark, is the same; what it had, it still has.

    Args:
        for_report: the report will be replaced. A smaller part of the same experiment would then
            lose something, so that it is another; a comparison of it is not.

    Returns:
        What was kept, where and why, for the user; empty where nothing was.
    """
    folder = report_folder(experiment)
    artifacts = {parent.fingerprint for parent in report.parents}
    owner: dict[str, Any] = {"artifacts": sorted(artifacts), "options": _options(experiment)}
    said = ""
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        earlier = _owner(folder)
        there = set(earlier["artifacts"])
        if artifacts < there and not for_report:
            return ""
        if not there <= artifacts:
            said = _set_aside(folder, earlier, owner["options"])
        write_json(folder / OWNER, owner)
    return said


def _options(experiment: Experiment) -> dict[str, Any]:
    """Those that change what a report shows."""
    options = dataclasses.asdict(dataclasses.replace(experiment, cases={}))
    for name in ("stages", "compare", "tracking", "outputs_dir", "debug"):
        del options[name]
    options["figures"] = list(experiment.figures)
    plain: dict[str, Any] = json.loads(json.dumps(options))  # as the file has them
    return plain


def _owner(folder: Path) -> dict[str, Any]:
    try:
        owner: dict[str, Any] = json.loads((folder / OWNER).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {"artifacts": [], "options": {}}
    return owner


def _set_aside(folder: Path, earlier: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    """Move what is in the folder to one that is named by its artifacts."""
    from eval.compare.contenders import differing

    mark = hashlib.sha256(" ".join(earlier["artifacts"]).encode()).hexdigest()[:8]
    kept = folder.with_name(f"{folder.name}-{mark}")
    for path in contents(folder):
        place = kept / path.relative_to(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        path.replace(place)
    found = list(differing(earlier["options"], options))
    why = "; ".join(found[:SHOWN]) or "made by another version"
    return (
        f"{folder} had the report of another experiment of this name ({why}); it is now {kept}; "
        "name=NAME gives an experiment a folder of its own"
    )


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


def make_report(node: Node, made: Made) -> None:
    """Write the report's files and the terminal's table.

    Args:
        node: the report's.
        made: all that it shows.
    """
    from eval.report import terminal, write_report
    from eval.report.study import terminal as study_terminal
    from eval.report.study import write_study

    experiment = made.experiment
    folder = report_folder(experiment)
    with storage_errors(folder):
        (folder / INPUTS).unlink(missing_ok=True)  # what follows replaces what it spoke of
        if experiment.cases:
            shown = write_study(gather_study(made), folder, experiment.report)
            printed = study_terminal(shown)
        else:
            printed = [terminal(write_report(gather(made), folder, experiment.report))]
        with (folder / TERMINAL).open("w", encoding="utf-8") as file:
            Console(file=file, width=110).print(*printed)
        write_json(folder / INPUTS, _inputs(node, made.manifests))


def _inputs(node: Node, made: Collection[str]) -> dict[str, Any]:
    """What a report was made from, and what of it was missing."""
    missing = [p.fingerprint for p in node.parents if p.fingerprint not in made]
    return {"fingerprint": node.fingerprint, "missing": missing}
