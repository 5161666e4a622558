"""A run whose artifacts are all there makes its report, once."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tessy.config import Experiment
from tessy.errors import MissingError
from tessy.pipeline.execute import execute
from tessy.pipeline.graph import build
from tessy.pipeline.node import Node
from tessy.pipeline.store import Store
from tessy.records import JudgedAnswer, Message, Question, Span, Trajectory, dump_line
from tessy.synthesis.parts import samples

Compose = Callable[..., Experiment]


def trajectory(node: Node, question: str) -> Trajectory:
    spans = (Span("student", "think", "Okay, ", 2), Span("teacher", "think", "sum it", 3))
    asked = (Message("user", "Print the sum."),)
    method = node.subject.method or ""
    return Trajectory(question, 0, method, asked, spans, "complete", {}, 1.0, {}, {})


def write_artifact(node: Node, store: Store, question: str = "q0") -> None:
    """Store what a stage stores: in its format, of made-up contents; data has one sample."""
    with store.working(node) as folder:
        if node.stage == "synthesize":
            (folder / "trajectories.jsonl").write_text(dump_line(trajectory(node, question)))
        elif node.stage == "sft":
            points = [{"step": s, "epoch": s, "loss": 1 / s, "learning_rate": 1.0} for s in (1, 2)]
            (folder / "curve.jsonl").write_text("".join(json.dumps(p) + "\n" for p in points))
        elif node.stage == "evaluate":
            right = node.subject.method == "tessy"
            verdict = "accepted" if right else "wrong_answer"
            answers = [
                JudgedAnswer(f"p{i}", 0, "...", "complete", 5, verdict, right)  # type: ignore[arg-type]
                for i in range(10)
            ]
            (folder / "answers.jsonl").write_text("".join(map(dump_line, answers)))
        store.complete(node, {"samples": 1, "dropped_over_max_length": 2 * (node.stage == "sft")})


def write_all(e: Experiment, question: str = "q0") -> None:
    """Store everything but the report that is not there yet."""
    store = Store(Path(e.outputs_dir))
    for node in build(e)[:-1]:
        if store.manifest(node) is None:
            write_artifact(node, store, question)


@pytest.fixture
def finished(composed: Compose, tmp_path: Path) -> Experiment:
    """An experiment of which only the report is missing."""
    e = composed("experiment=mini", "tracking=none", f"outputs_dir={tmp_path}")
    write_all(e)
    return e


def test_only_the_report_is_made_and_then_nothing(
    finished: Experiment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    execute(finished)
    first = capsys.readouterr().out
    folder = tmp_path / "reports" / "mini"
    rows = {row["method"]: row for row in json.loads((folder / "results.json").read_text())}
    assert rows["base"]["pass_at_1"] == 0 and rows["tessy"]["pass_at_1"] == 1
    assert (rows["tessy"]["n_problems"], rows["tessy"]["delta_vs_base"]) == (10, 1)
    assert str(folder / "report.html") in first and "nothing was to do" not in first
    assert "sft: dropped_over_max_length 6" in first
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    execute(finished)
    second = capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert "nothing was to do" in second
    assert (folder / "results.txt").read_text() in first and second.startswith(
        (folder / "results.txt").read_text()
    )


def test_a_changed_report_option_makes_the_report_only(
    finished: Experiment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    execute(finished)
    artifacts = {p: p.stat().st_mtime_ns for p in (tmp_path / "artifacts").rglob("*")}
    report = tmp_path / "reports" / "mini" / "report.html"
    before = report.stat().st_mtime_ns
    execute(dataclasses.replace(finished, report=dataclasses.replace(finished.report, examples=1)))
    assert report.stat().st_mtime_ns > before
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "artifacts").rglob("*")} == artifacts


def test_a_report_that_a_kill_left_unfinished_is_made_anew(
    finished: Experiment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    execute(finished)
    results = tmp_path / "reports" / "mini" / "results.json"
    whole = results.read_bytes()
    results.with_name("inputs.json").unlink()  # it is the first to go and the last to come
    results.write_text("[")
    execute(finished)
    assert results.read_bytes() == whole


def test_a_report_of_another_experiment_of_the_name_is_kept_beside(
    finished: Experiment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    execute(finished)
    mine = (tmp_path / "reports" / "mini" / "results.json").read_bytes()
    other = dataclasses.replace(finished, seed=7)
    write_all(other)
    capsys.readouterr()
    execute(other)
    said = capsys.readouterr().out
    [kept] = (tmp_path / "reports").glob("mini-*")
    assert f"(seed is 0 and 7); it is now {kept}; name=NAME" in said
    assert (kept / "results.json").read_bytes() == mine
    assert (kept / "report.html").is_file() and (kept.parent / "mini" / "report.html").is_file()
    execute(finished)  # each is kept under its own name, however often they alternate
    execute(other)
    assert len(list((tmp_path / "reports").glob("mini-*"))) == 2


def test_an_experiment_that_has_grown_keeps_its_folder(
    finished: Experiment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    execute(finished)
    grown = dataclasses.replace(finished, sft_seeds=(*finished.sft_seeds, 9))
    write_all(grown)
    execute(grown)
    assert "Kept" not in capsys.readouterr().out
    assert [p.name for p in (tmp_path / "reports").glob("mini*")] == ["mini"]


def test_the_plan_says_what_is_done_and_begun(
    finished: Experiment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = dataclasses.replace(finished, stages=("plan",))
    execute(plan)
    assert "Everything is done" not in capsys.readouterr().out
    execute(finished)
    capsys.readouterr()
    execute(plan)
    assert "Everything is done" in capsys.readouterr().out
    begun = next(node for node in build(finished) if node.stage == "sft")
    (Store(tmp_path).folder(begun) / "manifest.json").unlink()
    execute(plan)
    said = capsys.readouterr().out
    assert said.count("begun") == 1 and "Everything is done" not in said


def test_a_missing_artifact_is_asked_for_by_name(finished: Experiment, tmp_path: Path) -> None:
    other = dataclasses.replace(finished, sft_seeds=(5,), stages=("report",))
    with pytest.raises(MissingError, match=r"evaluate tessy-world0-lr0\.002-seed5-mini, which"):
        execute(other)


def test_samples_are_spread_evenly_over_the_questions() -> None:
    asked = [Question(f"q{i}", "?", "mini") for i in range(3)]
    keys = samples(asked, 7)
    assert keys == [("q0", 0), ("q1", 0), ("q2", 0), ("q0", 1), ("q1", 1), ("q2", 1), ("q0", 2)]
    assert len(set(keys)) == 7
