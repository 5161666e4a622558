"""Pairs of data sets: question by question, of whatever length and ending."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from eval.compare import show
from eval.compare.datasets import DataComparison, DataContender, compare_data, json_rows
from tessy.checkpoints import locate
from tessy.errors import DataError
from tessy.records import Finish, Span, Trajectory


def sample(
    question: str,
    student: int = 0,
    teacher: int = 0,
    finish: Finish = "complete",
    repeat: int = 0,
    text: str = "sum",
) -> Trajectory:
    """A response of so many tokens of each writer."""
    spans = (Span("student", "think", text, student), Span("teacher", "answer", text, teacher))
    return Trajectory(question, repeat, "tessy", (), spans, finish, {}, 0.0, {}, {})


def data(
    name: str, *samples: Trajectory, passed: Mapping[tuple[str, int], bool] | None = None
) -> DataContender:
    places = (f"{name}/trajectories.jsonl",)
    return DataContender(name, "pool", [samples], passed or {}, locate("mini:student"), places)


def compared(first: DataContender, second: DataContender) -> DataComparison:
    (found,) = compare_data([second, first], 300)
    assert (found.first, found.second) == (first, second)
    return found


def measured(found: DataComparison) -> dict[str, tuple[float, float, float]]:
    return {d.measure: (d.first, d.second, d.difference.value) for d in found.differences}


def test_lengths_writers_and_endings_are_means_over_the_questions_of_both() -> None:
    tessy = data(
        "tessy",
        sample("a", 30, 10),
        sample("a", 10, 10, repeat=1),
        sample("b", 60, 0, "length"),
        sample("c", 500, 500),
    )
    alone = data("student_only", sample("b", 40), sample("a", 20), sample("d", 9))
    found = compared(tessy, alone)
    assert (found.questions, found.unpaired) == (2, (1, 1))
    assert measured(found) == {
        "tokens": (45.0, 30.0, 15.0),  # a has 30 and 20, b has 60 and 40
        "teacher_share": (pytest.approx(0.1875), 0.0, pytest.approx(0.1875)),
        "complete": (0.5, 1.0, -0.5),
        "length": (0.5, 0.0, 0.5),
    }


def test_a_difference_in_tokens_has_its_own_interval_and_is_corrected() -> None:
    long = data("long", *(sample(f"q{n:02d}", 100 + n % 3, 50) for n in range(30)))
    short = data("short", *(sample(f"q{n:02d}", 60, 30) for n in range(30)))
    found = compared(long, short)
    tokens = found.of("tokens")
    assert tokens is not None and 60 < tokens.difference.low < 61 < tokens.difference.high < 62
    assert tokens.p < 0.01 and tokens.p_holm == pytest.approx(3 * tokens.p)
    complete = found.of("complete")
    assert complete is not None and (complete.difference.value, complete.p_holm) == (0, 1)


def test_correctness_counts_where_both_were_judged() -> None:
    one = data("one", sample("a", 1), sample("b", 1), passed={("a", 0): True, ("b", 0): True})
    other = data("other", sample("a", 1), sample("b", 1), passed={("a", 0): True, ("b", 0): False})
    assert measured(compared(one, other))["correct"] == (1.0, 0.5, 0.5)
    assert "correct" not in measured(compared(one, data("unjudged", sample("a", 1))))


def test_style_is_compared_by_question_and_only_of_what_is_complete() -> None:
    same = [sample("a", 1, text="keep the even numbers"), sample("b", 1, text="print the sum")]
    cut = sample("c", 1, finish="length", text="print the sum")
    found = compared(data("one", *same, cut), data("two", *same, cut))
    assert found.similarity is not None and found.similarity.questions == 2
    assert found.similarity.mean.value == pytest.approx(1)
    assert compared(data("one", cut), data("two", cut)).similarity is None


def test_data_of_other_questions_is_refused_with_what_they_are() -> None:
    with pytest.raises(DataError, match=r"one and two .* of 1 and 1, one's are a, two's are b"):
        compare_data([data("one", sample("a", 1)), data("two", sample("b", 1))])


def test_data_sets_of_different_sources_are_not_paired() -> None:
    contenders = [data("one", sample("a", 1)), data("two", sample("a", 2))]
    other = DataContender("direct", "mini", [[sample("z", 1)]])
    assert len(compare_data([*contenders, other], 100)) == 1


def test_the_files_have_every_measure_of_every_pair(tmp_path: Path) -> None:
    found = compared(data("one", sample("a", 3, 1)), data("two", sample("a", 2)))
    show.write([], [found], "mini", tmp_path)
    rows = json.loads((tmp_path / "compare.json").read_text(encoding="utf-8"))
    assert rows == {"models": [], "data": json.loads(json.dumps(json_rows([found])))}
    by = {row["measure"]: row for row in rows["data"]}
    assert list(by) == ["tokens", "teacher_share", "complete", "similarity"]
    assert (by["tokens"]["value"], by["tokens"]["first_mean"]) == (2, 4)
    markdown = (tmp_path / "compare.md").read_text(encoding="utf-8")
    assert "| pool | one | two | by the teacher | 25.0 % | 0.0 % | +25.0" in markdown
    page = (tmp_path / "compare.html").read_text(encoding="utf-8")
    assert "<h2>Data sets</h2>" in page and "one/trajectories.jsonl" in page
