"""The files of a report: schema, figures checked by hand, errors."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from eval.report import BASE, EvaluatedModel, ReportData, terminal, write_report
from eval.report.rows import method_order
from tessy.config import ReportConfig
from tessy.errors import DataError
from tessy.records import JudgedAnswer
from tests.eval.report.synthetic import make

CONFIG = ReportConfig(examples=2, bootstrap=500)
KEYS = [
    "method",
    "benchmark",
    "pass_at_1",
    "ci95",
    "n_problems",
    "n_runs",
    "delta_vs_base",
    "delta_ci95",
]


def model(method: str, seed: int | None, passed: list[list[int]]) -> EvaluatedModel:
    """A model with passed[problem][run]; 10 tokens an answer, style by method."""
    answers = tuple(
        JudgedAnswer(
            problem_id=f"p{problem}",
            run=run,
            response="",
            finish="length" if not ok else "complete",
            n_tokens=10,
            verdict="accepted" if ok else "wrong_answer",
            passed=bool(ok),
            style={"student": float(method == BASE), "teacher": float(method != BASE)},
        )
        for problem, runs in enumerate(passed)
        for run, ok in enumerate(runs)
    )
    rate = None if seed is None else 1e-3
    return EvaluatedModel(method, 0, seed, rate, "toy", answers, f"{method}-{seed}-f00")


@pytest.fixture
def by_hand() -> ReportData:
    models = (
        model("tessy", 0, [[1], [1], [1], [0]]),
        model("tessy", 1, [[1], [1], [1], [1]]),
        model(BASE, None, [[1, 1], [1, 0], [0, 0], [0, 0]]),
    )
    return ReportData("toy", "s", "t", models)


def test_results_equal_those_computed_by_hand(by_hand: ReportData, tmp_path: Path) -> None:
    write_report(by_hand, tmp_path, CONFIG)
    base, tessy = json.loads((tmp_path / "results.json").read_text())
    assert (base["method"], tessy["method"]) == ("base", "tessy")
    assert base["pass_at_1"] == 3 / 8
    assert tessy["pass_at_1"] == 7 / 8
    assert tessy["delta_vs_base"] == 7 / 8 - 3 / 8
    assert (base["n_problems"], base["n_runs"]) == (4, 2)
    assert (tessy["n_problems"], tessy["n_runs"]) == (4, 2)  # two seeds of one run
    assert tessy["seed_scores"] == [3 / 4, 1.0]
    assert (tessy["style_student"], tessy["style_teacher"]) == (0.0, 1.0)
    assert (base["truncated"], base["mean_tokens"]) == (5 / 8, 10)


def test_results_have_the_promised_keys_and_intervals(tmp_path: Path) -> None:
    write_report(make(worlds=2), tmp_path, CONFIG)
    rows = json.loads((tmp_path / "results.json").read_text())
    assert [row["method"] for row in rows] == ["base", "student_only", "teacher_only", "tessy"]
    for row in rows:
        assert list(row)[: len(KEYS)] == KEYS
        assert 0 <= row["ci95"][0] <= row["pass_at_1"] <= row["ci95"][1] <= 1
        assert (row["n_problems"], row["n_runs"], row["n_worlds"]) == (120, 6, 2)
        if row["method"] == BASE:
            assert row["delta_vs_base"] is None and row["delta_ci95"] is None
        else:
            low, high = row["delta_ci95"]
            assert -1 <= low <= row["delta_vs_base"] <= high <= 1


def test_pairing_does_not_depend_on_the_order_of_answers(
    by_hand: ReportData, tmp_path: Path
) -> None:
    shuffled = tuple(replace(m, answers=m.answers[::-1]) for m in by_hand.models[::-1])
    write_report(by_hand, tmp_path / "a", CONFIG)
    write_report(replace(by_hand, models=shuffled), tmp_path / "b", CONFIG)
    a, b = ((tmp_path / side / "results.json").read_text() for side in "ab")
    assert a == b


def test_csv_and_markdown_carry_the_same_rows(tmp_path: Path) -> None:
    write_report(make(worlds=1), tmp_path, CONFIG)
    rows = json.loads((tmp_path / "results.json").read_text())
    lines = list(csv.DictReader((tmp_path / "results.csv").open()))
    assert [line["method"] for line in lines] == [row["method"] for row in rows]
    assert [float(line["pass_at_1"]) for line in lines] == [row["pass_at_1"] for row in rows]
    assert [float(line["ci95_high"]) for line in lines] == [row["ci95"][1] for row in rows]
    markdown = (tmp_path / "results.md").read_text()
    for row in rows:
        assert f"| {row['method']} | mini | {100 * row['pass_at_1']:.1f} [" in markdown


def test_tessy_is_compared_with_the_other_methods(tmp_path: Path) -> None:
    write_report(make(worlds=1), tmp_path, CONFIG)
    rows = {
        r["method"]: r["pass_at_1"] for r in json.loads((tmp_path / "results.json").read_text())
    }
    pairs = json.loads((tmp_path / "differences.json").read_text())
    assert [pair["against"] for pair in pairs] == ["student_only", "teacher_only"]
    for pair in pairs:
        assert pair["delta"] == pytest.approx(rows["tessy"] - rows[pair["against"]])


def test_dial_has_a_row_for_each_method_and_learning_rate(tmp_path: Path) -> None:
    table = write_report(make(worlds=1, seeds=2, rates=(5e-4, 2e-3)), tmp_path, CONFIG)
    assert [(row.method, row.learning_rate) for row in table.rows] == [
        ("base", None),
        ("student_only", 5e-4),
        ("student_only", 2e-3),
        ("teacher_only", 5e-4),
        ("teacher_only", 2e-3),
        ("tessy", 5e-4),
        ("tessy", 2e-3),
    ]
    assert "learning rate (log)" in (tmp_path / "report.html").read_text()


def test_teacher_share_counts_tokens_of_the_data(tmp_path: Path) -> None:
    data = make(worlds=1)
    rows = {row.method: row for row in write_report(data, tmp_path, CONFIG).rows}
    [dataset] = [d for d in data.datasets if d.method == "tessy"]
    spans = [span for t in dataset.trajectories for span in t.spans]
    teacher = sum(span.n_tokens for span in spans if span.writer == "teacher")
    assert rows["tessy"].teacher_share == pytest.approx(teacher / sum(s.n_tokens for s in spans))
    assert (rows["student_only"].teacher_share, rows["teacher_only"].teacher_share) == (0, 1)
    assert rows["base"].teacher_share is None


@pytest.mark.parametrize("rates", [(2e-3,), (2.5e-4, 2e-3)])
def test_terminal_shows_every_row_in_80_columns(rates: tuple[float, ...], tmp_path: Path) -> None:
    table = write_report(make(worlds=1, rates=rates), tmp_path, CONFIG)
    console = Console(width=80, record=True, file=(tmp_path / "out").open("w"))
    console.print(terminal(table))
    lines = console.export_text().splitlines()
    for row in table.rows:
        figures = f"{100 * row.score.value:.1f} [{100 * row.score.low:.1f}, "
        [line] = [x for x in lines if x.startswith(f" {row.method} ") and figures in x]
        assert "…" not in line
        assert row.learning_rate is None or ("e-" in line)


def test_a_report_without_base_data_or_curves_is_still_written(
    by_hand: ReportData, tmp_path: Path
) -> None:
    table = write_report(replace(by_hand, models=by_hand.models[:2]), tmp_path, CONFIG)
    assert [row.delta_vs_base for row in table.rows] == [None]
    assert "report.html" in {p.name for p in tmp_path.iterdir()}


def test_judge_faults_are_counted_and_shown(by_hand: ReportData, tmp_path: Path) -> None:
    first = by_hand.models[0]
    faulty = replace(first.answers[3], verdict="judge_fault")
    models = (replace(first, answers=(*first.answers[:3], faulty)), *by_hand.models[1:])
    table = write_report(replace(by_hand, models=models), tmp_path, CONFIG)
    assert [row.judge_faults for row in table.rows] == [0, 1]
    assert "1 answers could not be judged" in (tmp_path / "results.md").read_text()


def test_incomplete_or_unequal_answers_are_refused(by_hand: ReportData, tmp_path: Path) -> None:
    first, second, base = by_hand.models
    partial = replace(base, answers=base.answers[:-1])
    with pytest.raises(DataError, match="base-None-f00: 7 answers are not 4 problems x 2 runs"):
        write_report(replace(by_hand, models=(first, second, partial)), tmp_path, CONFIG)
    shorter = replace(second, answers=second.answers[:-1])
    with pytest.raises(DataError, match="answers other problems"):
        write_report(replace(by_hand, models=(first, shorter, base)), tmp_path, CONFIG)
    with pytest.raises(DataError, match="no answers"):
        write_report(replace(by_hand, models=()), tmp_path, CONFIG)


def test_several_benchmarks_have_rows_and_figures_each(tmp_path: Path) -> None:
    data = make(worlds=1)
    other = tuple(replace(m, benchmark="other") for m in data.models)
    table = write_report(replace(data, models=data.models + other), tmp_path, CONFIG)
    assert [(r.benchmark, r.method) for r in table.rows] == [
        (benchmark, method)
        for benchmark in ("mini", "other")
        for method in ("base", "student_only", "teacher_only", "tessy")
    ]
    page = (tmp_path / "report.html").read_text()
    assert "pass@1 on mini" in page and "pass@1 on other" in page
    console = Console(width=100, record=True, file=(tmp_path / "out").open("w"))
    console.print(terminal(table))
    assert console.export_text().count(" other ") >= 4


def test_other_methods_stand_before_tessy() -> None:
    methods = ["tessy", "teacher_think", "base", "student_only", "teacher_mix", "tessy"]
    assert method_order(methods) == [
        "base",
        "student_only",
        "teacher_mix",
        "teacher_think",
        "tessy",
    ]
