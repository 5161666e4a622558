"""A sweep (`-m`): what became of each of its jobs, wherever they ran, and one table of them all.

    outputs/sweeps/<name>-<id>/jobs/<number>.json    written by each job when it ends
                               results.json, .txt    the table, written when the last one has

The id follows from the overrides, so the same sweep again writes to the same place; what its jobs
have done already, they do not do again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tessy.config import Experiment, TrackingConfig
from tessy.pipeline.disk import storage_errors, write_json
from tessy.pipeline.reporting import RESULTS, report_folder
from tessy.pipeline.tracking import Tracker

VANISHED = "its process ended without a word; its launcher or the system's log may say why"


@dataclass(frozen=True)
class Job:
    """One job of a sweep, before it runs."""

    number: int
    name: str  # of its experiment, which no other job of the sweep has
    overrides: tuple[str, ...]

    @property
    def command(self) -> str:
        """The command line that runs it alone, into the same report."""
        name = f"name='{self.name}'"  # quoted for Hydra, as it has the overrides in it
        return shlex.join(["python", "run.py", *self.overrides, name])


@dataclass(frozen=True)
class Outcome:
    """What became of a job."""

    number: int
    error: str  # empty if all that was asked for is done
    made: int  # artifacts; 0 if all were there
    seconds: float
    results: list[dict[str, Any]]  # rows of its results.json; empty without a report


@dataclass(frozen=True)
class Sweep:
    """The jobs of a sweep, and where they leave word."""

    name: str  # of the experiment without what tells the jobs apart
    jobs: tuple[Job, ...]
    outputs: Path
    tracking: TrackingConfig

    @property
    def id(self) -> str:
        """8 hex digits of the jobs' overrides."""
        text = json.dumps([job.overrides for job in self.jobs])
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    @property
    def folder(self) -> Path:
        return self.outputs / "sweeps" / f"{self.name}-{self.id}"

    def begin(self) -> None:
        """Forget what an earlier run of the same sweep left."""
        with storage_errors(self.folder):
            shutil.rmtree(self.folder / "jobs", ignore_errors=True)
            (self.folder / "jobs").mkdir()


def record(
    sweep_folder: Path,
    number: int,
    experiment: Experiment | None,
    error: str,
    made: int,
    seconds: float,
) -> None:
    """Leave word of a job that has ended.

    Args:
        sweep_folder: `Sweep.folder`.
        number: of the job.
        experiment: None if it could not be composed.
        error: what stopped it; empty if nothing did.
        made: artifacts that it made.
        seconds: wall time.
    """
    rows: list[dict[str, Any]] = []
    if experiment is not None and not error and "report" in experiment.stages:
        rows = json.loads((report_folder(experiment) / RESULTS).read_text("utf-8"))
    outcome = Outcome(number, error, made, round(seconds, 1), rows)
    with storage_errors(sweep_folder):
        write_json(sweep_folder / "jobs" / f"{number}.json", dataclasses.asdict(outcome))


def conclude(sweep: Sweep) -> int:
    """Print and store the table of all jobs, log it, and list what failed.

    Returns:
        How many jobs failed.
    """
    outcomes = [_outcome(sweep, job) for job in sweep.jobs]
    ended = list(zip(sweep.jobs, outcomes, strict=True))
    failed = [(job, outcome) for job, outcome in ended if outcome.error]
    rows = [row for job, outcome in ended for row in _rows(job, outcome)]
    summary = {
        "jobs": len(ended),
        "failed": len(failed),
        "done_before": sum(not o.error and not o.made for o in outcomes),
        "seconds": round(sum(o.seconds for o in outcomes), 1),
    }
    with storage_errors(sweep.folder):
        write_json(sweep.folder / RESULTS, {**summary, "rows": rows})
        with (sweep.folder / "results.txt").open("w", encoding="utf-8") as file:
            _print(Console(file=file, width=140), sweep, rows, failed, summary)
    _print(Console(highlight=False), sweep, rows, failed, summary)
    group = Tracker(sweep.tracking, sweep.outputs, sweep.name)
    settings = {"commands": [job.command for job in sweep.jobs]}
    with group.stage("compare", sweep.name, sweep.id, settings, failed=bool(failed)) as log:
        log.comparison(rows, summary)
    return len(failed)


def _outcome(sweep: Sweep, job: Job) -> Outcome:
    path = sweep.folder / "jobs" / f"{job.number}.json"
    if not path.exists():
        return Outcome(job.number, VANISHED, 0, 0.0, [])
    return Outcome(**json.loads(path.read_text(encoding="utf-8")))


def _rows(job: Job, outcome: Outcome) -> list[dict[str, Any]]:
    """The job's results, each with its name and state; one row where there are none."""
    state = "failed" if outcome.error else "done" if outcome.made else "done before"
    about = {"job": job.name, "state": state, "seconds": outcome.seconds}
    if outcome.error:
        about["error"] = outcome.error
    return [about | row for row in outcome.results] or [about]


def _print(
    console: Console,
    sweep: Sweep,
    rows: Sequence[Mapping[str, Any]],
    failed: Sequence[tuple[Job, Outcome]],
    summary: Mapping[str, float],
) -> None:
    table = Table(title=f"Sweep {sweep.name}: {summary['jobs']} jobs")
    for column in ("job", "state", "method", "benchmark", "pass@1 [95 %]", "vs. base [95 %]"):
        table.add_column(column, overflow="fold", justify="right" if "%" in column else "left")
    shown = ""
    for row in rows:
        new = row["job"] != shown
        shown = row["job"]
        if new:
            table.add_section()
        method = row.get("method", "-")
        rate = f" lr {row['learning_rate']:g}" if "learning_rate" in row else ""
        table.add_row(
            shown.removeprefix(f"{sweep.name}-") if new else "",
            row["state"] if new else "",
            f"{method}{rate}",
            row.get("benchmark", "-"),
            _percent(row.get("pass_at_1"), row.get("ci95"), ""),
            _percent(row.get("delta_vs_base"), row.get("delta_ci95"), "+"),
        )
    console.print(table)
    for job, outcome in failed:
        console.print(f"Failed    {job.name}: {outcome.error}", markup=False, soft_wrap=True)
        console.print(f"  repeat  {job.command}", markup=False, soft_wrap=True)
    console.print(f"Sweep     {sweep.folder}", markup=False, soft_wrap=True)
    done = summary["jobs"] - summary["failed"] - summary["done_before"]
    console.print(
        f"Jobs      {done:g} done, {summary['done_before']:g} done before, "
        f"{summary['failed']:g} failed, {summary['seconds']:g} s of work"
    )


def _percent(value: float | None, interval: Sequence[float] | None, sign: str) -> str:
    if value is None or interval is None:
        return "-"
    low, high = interval
    return f"{100 * value:{sign}.1f} [{100 * low:{sign}.1f}, {100 * high:{sign}.1f}]"
