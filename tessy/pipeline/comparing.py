"""`stage=compare`: evaluated models and data sets, pair by pair, in the terminal, files and W&B."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from eval.compare import datasets, show, show_data
from eval.compare.compare import compare, json_rows
from eval.compare.contenders import Contender
from eval.compare.datasets import DataContender, compare_data
from tessy.config import Experiment
from tessy.errors import ConfigError, DataError, nearest
from tessy.pipeline import contenders
from tessy.pipeline.disk import storage_errors
from tessy.pipeline.lock import locked
from tessy.pipeline.node import Node
from tessy.pipeline.reporting import own_folder, report_folder
from tessy.pipeline.store import MANIFEST, Manifest, Store
from tessy.pipeline.tracking import Tracker

WHOLE = ("answers", "by_difficulty")  # of a row of compare.json; no figures

WIDE = 100  # columns of a terminal that has room for differences by difficulty

Found = Contender | DataContender


def compare_stage(
    experiment: Experiment,
    report: Node,
    manifests: Mapping[str, Manifest],
    store: Store,
    tracker: Tracker,
    console: Console,
) -> None:
    """Compare, print, log, and write `compare.html`, `.md` and `.json` beside the report.

    Args:
        report: the experiment's, whose folder it is.
        manifests: of what is complete, by fingerprint.

    Raises:
        ConfigError: a name of `compare` is nothing that the experiment has made, and no folder of
            an evaluation or data set.
        DataError: fewer than two are there, or they cannot be compared.
    """
    chosen = _chosen(experiment, manifests, store)
    _check_company(experiment, chosen)
    resamples = experiment.report.bootstrap
    of_models = compare([c for c in chosen if isinstance(c, Contender)], resamples)
    of_data = compare_data(
        [c for c in chosen if isinstance(c, DataContender)],
        resamples,
        experiment.report.style_responses,
    )
    folder = report_folder(experiment)
    with locked(folder), storage_errors(folder):
        kept = own_folder(experiment, report, for_report=False)
        show.write(of_models, of_data, experiment.name, folder)
    if of_models:
        console.print(show.terminal(of_models, console.width >= WIDE))
    if of_data:
        console.print(show_data.terminal(of_data))
    if kept:
        console.print(f"Kept       {kept}", markup=False, soft_wrap=True)
    console.print(
        f"Comparison {folder / 'compare.html'} (.md, .json)", markup=False, soft_wrap=True
    )
    _track(experiment, chosen, json_rows(of_models), datasets.json_rows(of_data), tracker)


def _chosen(experiment: Experiment, manifests: Mapping[str, Manifest], store: Store) -> list[Found]:
    """Those that `compare` names, in its order; all where it names none."""
    found: list[Found] = [
        *contenders.models(experiment, manifests, store),
        *contenders.data_sets(experiment, manifests, store),
    ]
    if not experiment.compare:
        company = Counter(map(_field, found))
        return [c for c in found if company[_field(c)] > 1] or found
    names = dict.fromkeys(c.name for c in found)
    chosen: list[Found] = []
    for name in experiment.compare:
        if name in names:
            chosen += [c for c in found if c.name == name]
        elif (Path(name) / MANIFEST).is_file():
            chosen.append(contenders.stored(Path(name), experiment))
        else:
            raise ConfigError(
                f"compare={list(experiment.compare)} names {name!r}, which is no evaluated model "
                "or data set of the experiment, and no folder of one",
                nearest(name, list(names)) if names else "run stage=evaluate first",
            )
    return chosen


def _field(contender: Found) -> str:
    """What it can be compared on."""
    if isinstance(contender, Contender):
        return contender.benchmark
    return f"questions of {contender.asked}"


def _check_company(experiment: Experiment, chosen: Sequence[Found]) -> None:
    company = Counter(map(_field, chosen))
    if not chosen or 1 in company.values():
        listed = ", ".join(f"{c.name} on {_field(c)}" for c in chosen) or "nothing"
        raise DataError(
            f"experiment {experiment.name!r} has too little to compare: {listed} is there",
            "run stage=evaluate first, or name two of a kind with compare=[A,B]",
        )


def _track(
    experiment: Experiment,
    chosen: Sequence[Found],
    rows: Sequence[Mapping[str, Any]],
    data_rows: Sequence[Mapping[str, Any]],
    tracker: Tracker,
) -> None:
    """One W&B run for what was compared: the pairs as tables, their figures as its summary.

    The figures' names are `difference/<benchmark>/<first>-vs-<second>` and for data sets
    `<measure>/<asked>/<first>-vs-<second>`, with `_low`, `_high` and `_p_holm` after the first
    word.
    """
    places = sorted({place for c in chosen for place in c.places})
    fingerprint = hashlib.sha256("\n".join(places).encode()).hexdigest()[:16]
    settings = {"compare": [c.name for c in chosen], "files": places}
    shown = [
        {k: len(v) if k in ("won", "lost") else v for k, v in row.items() if k not in WHOLE}
        for row in rows
    ]
    with tracker.stage("compare", experiment.name, fingerprint, settings) as log:
        log.table("comparison", shown)
        log.table("data_comparison", data_rows)
        log.summary(dict(_figures(shown, data_rows)))


def _figures(
    rows: Sequence[Mapping[str, Any]], data_rows: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, float]]:
    for row in (*rows, *data_rows):
        what = row.get("measure", "difference")
        place = f"{row.get('benchmark') or row['asked']}/{row['first']}-vs-{row['second']}"
        yield f"{what}/{place}", row["difference" if what == "difference" else "value"]
        yield f"{what}_low/{place}", row["ci95"][0]
        yield f"{what}_high/{place}", row["ci95"][1]
        if "p_holm" in row:
            yield f"{what}_p_holm/{place}", row["p_holm"]
