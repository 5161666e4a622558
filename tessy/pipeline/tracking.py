"""Curves, scores and tables in Weights & Biases, besides the files under outputs.

One W&B run for each node of the stage graph that does work, and one that compares the jobs of a
sweep, grouped by experiment; a run's id comes from the node's fingerprint, so a node that is
resumed goes on in the same run. Without a key the runs are written offline (`wandb sync` uploads
them later); nothing asks, and the terminal stays quiet. wandb is imported by the first node that is
tracked: about a second once, a tenth of a second for each further node, nothing when there is
nothing to do.
"""

from __future__ import annotations

import logging
import netrc
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tessy.config import TrackingConfig
from tessy.pipeline.tracking_html import answer_cells, drawn, trajectory_cells
from tessy.records import JudgedAnswer, Record, Trajectory, parse_line

R = TypeVar("R", bound=Record)

CONNECT_SECONDS = 30.0  # how long an online run may take to start before it is written offline


@dataclass(frozen=True)
class StageLog:
    """What one node logs. `run` is a wandb run, or None when tracking is off."""

    run: Any
    examples: int = 0  # rows of a table of predictions or trajectories

    def curve(self, points: Iterable[Mapping[str, float]], prefix: str = "sft") -> None:
        """Log the points of a training curve, each with its optimizer `step`."""
        if self.run is None:
            return
        for point in points:
            values = {f"{prefix}/{key}": v for key, v in point.items() if key != "step"}
            self.run.log(values, step=int(point["step"]))

    def summary(self, values: Mapping[str, Any]) -> None:
        """Final figures of the node: counts, seconds, tokens."""
        if self.run is not None:
            self.run.summary.update(dict(values))

    def results(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """The rows of `results.json`: a table, and each figure under a name that never changes.

        The names are `pass_at_1/<benchmark>/<method>` and the same for `delta_vs_base` and the
        ends of their intervals; with several learning rates, `<method>@<rate>`.
        """
        if self.run is None or not rows:
            return
        titles = [key for key in rows[0] if key != "learning_rate"]
        if any("learning_rate" in row for row in rows):
            titles.insert(1, "learning_rate")
        self._table("results", titles, ([_cell(row.get(t)) for t in titles] for row in rows))
        for row in rows:
            self.run.summary.update(_figures(row, row["method"]))

    def comparison(self, rows: Sequence[Mapping[str, Any]], summary: Mapping[str, float]) -> None:
        """All results of a sweep, and of each job that has none its state and error.

        The names are those of `results` with the job before the method,
        `pass_at_1/<benchmark>/<job>/<method>`, and `jobs`, `failed`, `done_before`, `seconds`.
        """
        if self.run is None:
            return
        self.table("comparison", rows)
        self.run.summary.update(dict(summary))
        for row in rows:
            if "method" in row:
                self.run.summary.update(_figures(row, f"{row['job']}/{row['method']}"))

    def table(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """A table with a column for each name that occurs in a row; none without rows."""
        if self.run is not None and rows:
            titles = list(dict.fromkeys(key for row in rows for key in row))
            self._table(name, titles, ([_cell(row.get(t)) for t in titles] for row in rows))

    def predictions(self, path: Path) -> None:
        """Some answers of an evaluation, with their verdicts.

        Args:
            path: JSON lines of `JudgedAnswer`.
        """
        titles = ("problem", "run", "verdict", "passed", "tokens", "finish", "response")
        self._drawn("predictions", titles, path, JudgedAnswer, answer_cells)

    def trajectories(self, path: Path) -> None:
        """Some synthesized samples, their spans coloured by writer.

        Args:
            path: JSON lines of `Trajectory`.
        """
        titles = ("question", "repeat", "finish", "tokens", "by_teacher", "response")
        self._drawn("trajectories", titles, path, Trajectory, trajectory_cells)

    def artifact(
        self, folder: Path, files: Iterable[str], stage: str, metadata: Mapping[str, Any]
    ) -> None:
        """Name the files that a node has made; they stay where they are, unread.

        Args:
            folder: of the artifact.
            files: their paths in it.
            stage: the type of the W&B artifact.
            metadata: what its manifest says.
        """
        if self.run is None:
            return
        import wandb

        made = wandb.Artifact(self.run.id, stage, metadata=dict(metadata))
        for name in files:
            made.add_reference((folder / name).absolute().as_uri(), name, checksum=False)
        self.run.log_artifact(made)

    def _drawn(
        self,
        name: str,
        titles: Sequence[str],
        path: Path,
        kind: type[R],
        cells: Callable[[R], list[Any]],
    ) -> None:
        """A table of `examples` of a file's records, the last cell of each being HTML."""
        if self.run is None or not self.examples:
            return
        import wandb

        with path.open(encoding="utf-8") as file:
            lines = drawn(file, self.examples, self.run.id)
        rows = (cells(parse_line(line, kind, str(path))) for line in lines)
        data = [[*first, wandb.Html(last, inject=False)] for *first, last in rows]
        self.run.log({name: wandb.Table(columns=list(titles), data=data)})

    def _table(self, name: str, titles: Sequence[str], rows: Iterable[list[Any]]) -> None:
        import wandb

        columns: list[str | int] = list(titles)
        self.run.log({name: wandb.Table(columns=columns, data=list(rows), allow_mixed_types=True)})


@dataclass(frozen=True)
class Tracker:
    """Opens a log for each node of one experiment."""

    config: TrackingConfig
    outputs_dir: Path
    group: str  # the experiment's name, or the sweep's

    @contextmanager
    def stage(
        self,
        stage: str,
        name: str,
        fingerprint: str,
        settings: Mapping[str, Any],
        failed: bool = False,
    ) -> Iterator[StageLog]:
        """Track one node while it works; it ends as failed when an exception leaves the block.

        Args:
            settings: the configuration that the node depends on, without secrets, and its parents.
            failed: end as failed in any case.
        """
        if self.config.kind == "none":
            yield StageLog(None)
            return
        run = self._start(stage, name, fingerprint, settings)
        exit_code = 1
        try:
            yield StageLog(run, self.config.examples)
            exit_code = int(failed)
        finally:
            run.finish(exit_code=exit_code)

    def _start(self, stage: str, name: str, fingerprint: str, settings: Mapping[str, Any]) -> Any:
        for variable in ("WANDB_CACHE_DIR", "WANDB_DATA_DIR"):  # wandb would write into the home
            os.environ.setdefault(variable, str(self.outputs_dir / "wandb" / "cache"))
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # to wandb's makers
        import wandb

        options: dict[str, Any] = {
            "project": self.config.project,
            "entity": self.config.entity or None,
            "dir": self.outputs_dir,  # wandb adds its own folder, "wandb"
            "group": self.group,
            "job_type": stage,
            "name": f"{stage} {name}",
            "id": run_id(stage, fingerprint),
            "config": dict(settings) | {"fingerprint": fingerprint},
            "resume": "allow",
            "reinit": "create_new",
        }
        mode = _mode(wandb.setup().settings)
        try:
            return wandb.init(**options, settings=_quiet(mode))
        except wandb.Error as error:  # no network, or the key was refused: the work must go on
            if mode != "online":
                raise
            logging.getLogger(__name__).warning(
                "W&B cannot be reached (%s); %s is logged offline, upload it with `wandb sync %s`",
                error,
                options["name"],
                self.outputs_dir / "wandb",
            )
            wandb.teardown()  # its service still holds the id of the run that did not start
            os.environ["WANDB_MODE"] = "offline"  # the nodes that follow need not wait again
            return wandb.init(**options | {"resume": None}, settings=_quiet("offline"))


def run_id(stage: str, fingerprint: str) -> str:
    """The id of a node's W&B run: letters, digits and dashes, the same for the same work."""
    return re.sub(r"[^A-Za-z0-9-]+", "-", f"{stage}-{fingerprint}")[:64]


def _quiet(mode: str) -> Any:
    """Settings that keep the terminal free and the machine's details private."""
    import wandb

    return wandb.Settings(
        mode=mode,  # type: ignore[arg-type]
        silent=True,
        console="off",
        disable_git=True,
        disable_code=True,
        disable_job_creation=True,
        x_disable_stats=True,
        x_disable_meta=True,
        x_save_requirements=False,
        init_timeout=CONNECT_SECONDS,
    )


def _mode(settings: Any) -> str:
    """The user's mode (WANDB_MODE, settings file); online only where a key is set."""
    if settings.mode != "online":
        return str(settings.mode)
    host = urlsplit(settings.base_url).hostname or ""
    keyed = settings.api_key or settings.identity_token_file or _in_netrc(host)
    return "online" if keyed else "offline"


def _in_netrc(host: str) -> bool:
    named = os.environ.get("NETRC")
    paths = [Path(named)] if named else [Path.home() / ".netrc", Path.home() / "_netrc"]
    for path in paths:
        try:
            hosts = netrc.netrc(path).hosts
        except (OSError, netrc.NetrcParseError):  # wandb could not read it either
            continue
        if host in hosts or "api.wandb.ai" in hosts:
            return True
    return False


def _figures(row: Mapping[str, Any], name: str) -> dict[str, float]:
    """One row's figures by their stable names; figures that do not exist are left out."""
    rate = row.get("learning_rate")
    place = f"{row['benchmark']}/{name}" + ("" if rate is None else f"@{rate:g}")
    figures: dict[str, float] = {}
    for key, interval in (("pass_at_1", "ci95"), ("delta_vs_base", "delta_ci95")):
        if row[key] is not None:
            figures[f"{key}/{place}"] = row[key]
            low, high = row[interval]
            figures |= {f"{key}_low/{place}": low, f"{key}_high/{place}": high}
    return figures


def _cell(value: Any) -> Any:
    return ", ".join(f"{v:.4f}" for v in value) if isinstance(value, list) else value
