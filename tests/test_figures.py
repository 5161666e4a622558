"""Tables and figures of the paper from nothing, in the miniature world at its smallest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tessy.errors import DataError
from tessy.pipeline.execute import execute
from tests.pipeline.conftest import compose_all

FIGURES = ("table1", "fig6", "fig8", "fig12", "fig14", "fig16", "fig17")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a report that all of it has been run for."""
    outputs = tmp_path_factory.mktemp("outputs")
    overrides = [
        *("experiment=mini", "name=small", "tracking=none", f"outputs_dir={outputs}"),
        f"figure=[{','.join(f'{key}_mini' for key in FIGURES)}]",
        *("questions.samples=16", "questions.unique=16", "benchmarks.mini.problems=6"),
        *("train.epochs=1", "train.keep_epochs=[]", "report.bootstrap=200"),
    ]
    experiment = compose_all(*overrides)
    with pytest.raises(DataError, match="no sample") as error:  # of teacher_reference, see below
        execute(experiment)
    assert "2 of 38 stages failed, the first: sft teacher_reference" in str(error.value)
    return outputs / "reports" / "small"


@pytest.mark.timeout(600)
def test_what_fails_stops_nothing_else_and_is_shown(report: Path) -> None:
    page = (report / "report.html").read_text()
    assert "sft teacher_reference-world0" in page and "evaluate teacher_reference-world0" in page


@pytest.mark.timeout(600)
def test_the_methods_are_trained_and_evaluated(report: Path) -> None:
    rows = json.loads((report / "paper/table1.json").read_text())
    measured = {row["bar"] for row in rows if row["ours"] is not None}
    assert measured == {
        *("base", "student_only", "teacher_only", "teacher_mix", "teacher_think"),
        *("teacher_answer", "teacher_score", "tessy"),
    }
    assert all(row["panel"] == "mini" for row in rows if row["ours"] is not None)
    (score,) = [row for row in rows if (row["panel"], row["bar"]) == ("mini", "teacher_score")]
    assert "unreadable" not in score["note"]  # it writes no grades; it is asked for what it can do


def test_the_same_data_is_shown_in_five_ways(report: Path) -> None:
    for key in FIGURES[2:]:
        assert (report / f"paper/{key}.png").stat().st_size > 10_000, key
    pairs = json.loads((report / "paper/fig14.json").read_text())
    similar = {(r["panel"], r["bar"]): r["ours"] for r in pairs if r["ours"] is not None}
    direct, tessy = (similar[f"{p}, not in the paper", "mini-gpt-oss"] for p in ("direct", "tessy"))
    assert direct < tessy < 1  # TESSY's data is closer to the student's than the teacher's is


def test_responses_themselves_are_judged(report: Path) -> None:
    rows = json.loads((report / "paper/fig6.json").read_text())
    measured = {(row["group"], row["bar"]) for row in rows if row["ours"] is not None}
    assert {("512", "teacher_only"), ("96", "teacher_only"), ("512", "tessy")} <= measured
