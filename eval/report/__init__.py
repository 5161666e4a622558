"""The comparison: results as JSON, CSV, Markdown, HTML and for the terminal."""

from __future__ import annotations

from pathlib import Path

from eval.report import tables
from eval.report.data import (
    BASE,
    DataSet,
    EvaluatedModel,
    ReportData,
    StageCost,
    TrainingCurve,
)
from eval.report.html import page
from eval.report.rows import Table, build_table
from eval.report.tables import terminal
from tessy.config import ReportConfig

__all__ = [
    "BASE",
    "DataSet",
    "EvaluatedModel",
    "ReportData",
    "StageCost",
    "Table",
    "TrainingCurve",
    "terminal",
    "write_report",
]


def write_report(data: ReportData, folder: Path, config: ReportConfig) -> Table:
    """Score the models and write the report's files into `folder`.

    Files: `results.json` (list of rows), `differences.json` (TESSY against the other methods),
    `results.csv`, `results.md` and `report.html`, which needs no other file and no network.

    Raises:
        DataError: there are no answers, or models that must be paired were asked other problems.
    """
    table = build_table(data, config.bootstrap)
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "results.json": tables.to_json(table),
        "differences.json": tables.differences_json(table),
        "results.csv": tables.to_csv(table),
        "results.md": tables.to_markdown(table),
        "report.html": page(data, table, config.examples),
    }
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    return table
