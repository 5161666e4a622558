"""stage=compare: models and data sets, of an experiment or of folders; also in W&B's files."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tessy.config import Experiment
from tessy.errors import ArtifactError, ConfigError, DataError
from tessy.pipeline.execute import execute
from tessy.pipeline.graph import build
from tessy.pipeline.store import Store
from tests.pipeline.conftest import CONF
from tests.pipeline.test_execute import write_all
from tests.pipeline.test_tracking import read_back, summary, uploads

Compose = Callable[..., Experiment]


@pytest.fixture
def evaluated(composed: Compose, tmp_path: Path) -> Experiment:
    """An experiment of which only the report is missing."""
    e = composed("experiment=mini", "tracking=none", f"outputs_dir={tmp_path}/outputs")
    e = dataclasses.replace(e, stages=("compare",))
    write_all(e)
    return e


def compared(e: Experiment, *names: str) -> dict[str, list[dict[str, object]]]:
    execute(dataclasses.replace(e, compare=names))
    path = Path(e.outputs_dir) / "reports" / e.name / "compare.json"
    rows: dict[str, list[dict[str, object]]] = json.loads(path.read_text(encoding="utf-8"))
    return rows


def pairs(rows: list[dict[str, object]]) -> list[tuple[object, object]]:
    return list(dict.fromkeys((row["first"], row["second"]) for row in rows))


def folder(e: Experiment, stage: str, method: str | None) -> Path:
    found = [n for n in build(e) if n.stage == stage and n.subject.method == method]
    return Store(Path(e.outputs_dir)).folder(found[0])


def test_all_models_and_all_data_sets_are_compared_pair_by_pair(
    evaluated: Experiment, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = compared(evaluated)
    assert len(pairs(rows["models"])) == 6 and len(pairs(rows["data"])) == 3
    assert ("tessy-data", "teacher_only-data") in pairs(rows["data"])
    said = capsys.readouterr().out
    assert "tessy-data" in said and "compare.html" in said


def test_what_is_named_is_compared_in_that_order(evaluated: Experiment) -> None:
    rows = compared(evaluated, "base", "tessy", "teacher_only-data", "tessy-data")
    assert pairs(rows["models"]) == [("tessy", "base")]
    assert pairs(rows["data"]) == [("tessy-data", "teacher_only-data")]


def test_folders_are_compared_as_well(evaluated: Experiment) -> None:
    data = [folder(evaluated, "synthesize", method) for method in ("tessy", "student_only")]
    rows = compared(evaluated, *map(str, data))
    assert pairs(rows["data"]) == [(data[1].name, data[0].name)] and rows["models"] == []
    answers = folder(evaluated, "evaluate", "tessy")
    assert pairs(compared(evaluated, "base", str(answers))["models"]) == [(answers.name, "base")]


def test_judged_responses_to_a_benchmark_are_data_with_their_verdicts(
    composed: Compose, tmp_path: Path
) -> None:
    e = composed("experiment=fig6_mini", "tracking=none", f"outputs_dir={tmp_path}/outputs")
    e = dataclasses.replace(e, stages=("compare",))
    write_all(e, "p0")
    rows = compared(e)["data"]
    assert {row["asked"] for row in rows} == {"mini"}
    found = {(row["first_mean"], row["second_mean"]) for row in rows if row["measure"] == "correct"}
    assert (1, 0) in found, "tessy passes where the others do not"


def test_comparing_a_part_of_an_experiment_leaves_its_report(
    evaluated: Experiment, tmp_path: Path
) -> None:
    execute(dataclasses.replace(evaluated, stages=("report",)))
    methods = {key: evaluated.methods[key] for key in ("tessy", "student_only")}
    compared(dataclasses.replace(evaluated, methods=methods))
    reports = tmp_path / "outputs" / "reports"
    assert [folder.name for folder in reports.glob("mini*")] == ["mini"]
    assert {"report.html", "compare.html"} <= {file.name for file in (reports / "mini").iterdir()}


@pytest.mark.parametrize(
    ("names", "error", "said"),
    [
        (["tesy"], ConfigError, r"compare=\['tesy'\] names 'tesy', .* did you mean 'tessy'"),
        (["tessy"], DataError, "too little to compare: tessy on mini is there"),
        (["tessy", "tessy-data"], DataError, "tessy on mini, tessy-data on questions of pool"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    evaluated: Experiment, names: list[str], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        compared(evaluated, *names)


def test_an_artifact_of_another_stage_is_refused(evaluated: Experiment) -> None:
    trained = folder(evaluated, "sft", "tessy")
    with pytest.raises(ArtifactError, match=r"is of stage sft, not evaluate or synthesize"):
        compared(evaluated, "base", str(trained))


def test_a_benchmark_that_was_not_evaluated_is_named(composed: Compose, tmp_path: Path) -> None:
    e = composed("experiment=mini", "tracking=none", f"outputs_dir={tmp_path}", "stage=compare")
    with pytest.raises(DataError, match=r"nothing is there; run stage=evaluate first"):
        execute(e)


def test_every_pair_is_in_wandb_s_files(evaluated: Experiment, tmp_path: Path) -> None:
    names = "compare=[base,tessy,teacher_only-data,tessy-data]"
    asked = ["experiment=mini", "stage=compare", names, f"outputs_dir={tmp_path}/outputs"]
    subprocess.run(  # when its process has ended, W&B has written all
        [sys.executable, "run.py", *asked],
        cwd=CONF.parent,
        env={**os.environ, "WANDB_MODE": "offline"},
        check=True,
        capture_output=True,
        timeout=120,
    )
    written = tmp_path / "outputs" / "reports" / "mini" / "compare.json"
    rows = json.loads(written.read_text(encoding="utf-8"))
    [run] = (tmp_path / "outputs" / "wandb").glob("offline-run-*-compare-*")
    identity = "-".join(run.name.split("-")[3:])
    values = summary(read_back(tmp_path, identity))
    assert values["difference/mini/tessy-vs-base"] == rows["models"][0]["difference"] == 1
    assert values["difference_low/mini/tessy-vs-base"] <= 1
    assert values["difference_p_holm/mini/tessy-vs-base"] == rows["models"][0]["p_holm"]
    assert values["tokens/pool/tessy-data-vs-teacher_only-data"] == 0
    assert values["similarity/pool/tessy-data-vs-teacher_only-data"] == pytest.approx(1)
    table = json.loads(uploads(tmp_path, identity, "comparison")["comparison.table.json"])
    cells = dict(zip(table["columns"], table["data"][0], strict=True))
    assert (cells["first"], cells["second"], cells["won"]) == ("tessy", "base", 10)
    table = json.loads(uploads(tmp_path, identity, "data_comparison")["data_comparison.table.json"])
    assert [row[table["columns"].index("measure")] for row in table["data"]] == [
        row["measure"] for row in rows["data"]
    ]
