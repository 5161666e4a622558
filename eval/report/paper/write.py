"""Every table and figure of a study into its folder, and what the page shows of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from eval.report.data import Case, Study
from eval.report.paper import bars, clouds, look, tables
from eval.report.paper.cells import Cell, cells, data_notes, is_hollow, prominent
from eval.report.paper.figures import FIGURES, Figure
from eval.report.paper.styles import Styles
from tessy.config import ReportConfig
from tessy.errors import DataError

FOLDER = "paper"


@dataclass
class Shown:
    """One table or figure as it was written."""

    figure: Figure
    cases: tuple[Case, ...]
    cells: list[Cell] = field(default_factory=list)
    png: bytes = b""  # empty where there is nothing to draw
    files: list[str] = field(default_factory=list)  # relative to the report's folder
    missing: list[str] = field(default_factory=list)


def write_figures(study: Study, folder: Path, config: ReportConfig) -> list[Shown]:
    """Write `folder`/paper/FIGURE.md, .tex, .csv, .json, .png and .pdf for each figure.

    What was not measured is in `missing`, and drawn as missing where the paper has a value.
    """
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    styles = Styles(config.style_responses)
    found = []
    with look.drawing() as plt:
        asked = {case.figure for case in study.cases}
        for key in (key for key in FIGURES if key in asked):
            cases = tuple(case for case in study.cases if case.figure == key)
            shown = Shown(FIGURES[key], cases)
            shown.missing += [f"{case.name}: {label}" for case in cases for label in case.planned]
            _write(shown, styles, folder, config.bootstrap, plt)
            plt.close("all")
            found.append(shown)
    return found


def _write(shown: Shown, styles: Styles, folder: Path, resamples: int, plt: Any) -> None:
    figure, cases = shown.figure, shown.cases
    contents: dict[str, str] = {}
    drawn = None
    try:
        if figure.kind in ("points", "words", "losses"):
            drawn, data = _DRAWN[figure.kind](cases, styles, plt)
            contents[".json"] = json.dumps(data, indent=1) + "\n"
        else:
            pairs = styles.similarities(cases) if figure.kind == "similarity" else []
            shown.cells = cells(figure, cases, pairs, resamples)
            shown.missing += _hollow(cases)
    except DataError as error:
        shown.missing.append(str(error))
        shown.cells = cells(figure, (), (), resamples)
    if shown.cells:
        draw = {"epochs": bars.epochs, "similarity": bars.matrices}.get(figure.kind, bars.bars)
        drawn = draw(plt, figure, prominent(shown.cells))
        contents |= {
            ".tex": tables.to_latex(figure, shown.cells),
            ".csv": tables.to_csv(figure, shown.cells),
            ".json": tables.to_json(figure, shown.cells),
        }
    notes = [f"Missing: {what}" for what in shown.missing]
    contents[".md"] = tables.to_markdown(figure, shown.cells, notes)
    target = folder / FOLDER / figure.key
    for suffix, content in contents.items():
        target.with_suffix(suffix).write_text(content, encoding="utf-8")
        shown.files.append(f"{FOLDER}/{figure.key}{suffix}")
    if drawn is not None:
        shown.png = look.save(drawn, target)
        shown.files += [f"{FOLDER}/{figure.key}{suffix}" for suffix in (".png", ".pdf")]


def _hollow(cases: Sequence[Case]) -> list[str]:
    """Methods whose data is so thin that their numbers say nothing about them."""
    found = [
        f"{dataset.method} says nothing about the method: "
        + ", ".join(data_notes(case, dataset.method))
        for case in cases
        for dataset in (case.data.datasets if case.data.models else ())
        if is_hollow(dataset)
    ]
    return list(dict.fromkeys(found))


def _points(cases: Sequence[Case], styles: Styles, plt: Any) -> tuple[Any, Any]:
    panels = styles.projections(cases)
    if not panels:
        raise DataError("there are no responses of two sources to compare", "synthesize them")
    data = {
        teacher: {
            "explained": projection.explained,
            "centroids": {k: v.round(5).tolist() for k, v in projection.centroids.items()},
            "points": {k: v.round(5).tolist() for k, v in projection.points.items()},
        }
        for teacher, projection in panels
    }
    return clouds.points(plt, panels), data


def _words(cases: Sequence[Case], styles: Styles, plt: Any) -> tuple[Any, Any]:
    found = styles.words(cases)
    if found is None:
        raise DataError("there are no responses to count words in", "synthesize them")
    rows = np.round(found.per_thousand, 4).tolist()
    data = {"words": found.words, "of_1000_tokens": dict(zip(found.sources, rows, strict=True))}
    return clouds.words(plt, found), data


def _losses(cases: Sequence[Case], styles: Styles, plt: Any) -> tuple[Any, Any]:
    if not any(case.data.curves for case in cases):
        raise DataError("there are no trainings to draw", "run stage=sft")
    data = [
        {
            "student": case.data.student,
            "method": curve.method,
            "seed": curve.sft_seed,
            "artifact": curve.artifact,
            "loss": [[p["step"], round(p["loss"], 5)] for p in curve.points if "loss" in p],
        }
        for case in cases
        for curve in case.data.curves
    ]
    return clouds.losses(plt, cases), data


_DRAWN: dict[str, Callable[[Sequence[Case], Styles, Any], tuple[Any, Any]]] = {
    "points": _points,
    "words": _words,
    "losses": _losses,
}
