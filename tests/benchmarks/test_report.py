"""The benchmark of the report, at a size that takes seconds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.report import style
from benchmarks.report.results import RUNS, write_results
from tessy.pipeline.execute import execute
from tests.pipeline.conftest import compose_all


def test_made_up_artifacts_are_a_whole_table(tmp_path: Path) -> None:
    experiment = compose_all(
        *("experiment=table1", "stage=report", "tracking=none", f"outputs_dir={tmp_path}"),
        *("predictor=released", "questions=file", f"questions.path={__file__}"),
    )
    write_results(experiment, problems=4, samples=2)
    execute(experiment)
    rows = json.loads((tmp_path / "reports/table1/results.json").read_text())
    assert len(rows) == 9 * 8 and all(row["ours"] is not None for row in rows)
    assert rows[0]["note"].startswith(f"4 problems; {RUNS} answers each")


def test_the_style_of_made_up_responses_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    style.main(count=30, tokens=200)
    measured = json.loads(capsys.readouterr().out)
    assert measured["tokens"] == 30 * 200 and measured["peak_mb"] > 0
