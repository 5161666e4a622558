"""AIME, OlympiadBench and GPQA: extraction, equality and tables of problems."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from eval.benchmarks import aime, gpqa_diamond, olympiadbench
from eval.checkers.mathematics import boxed, equal, split_answers
from tessy.config import BenchmarkConfig, JudgeConfig
from tessy.errors import ConfigError, DataError
from tests.eval.fixtures import answers as fixture


def config(kind: str, folder: Path, split: str = "") -> BenchmarkConfig:
    return BenchmarkConfig(kind, kind, 1, split=split, path=str(folder))


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("so \\boxed{42}.", "42"),
        ("\\boxed{1} no, \\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        ("\\boxed{\\{1, 2\\}}", "\\{1, 2\\}"),
        ("\\boxed{\\}}", "\\}"),
        ("\\boxed {3}", "3"),
        ("\\fboxed{3}", "3"),
        ("\\boxed{4} and then \\boxed{5", "4"),
        ("42", None),
        ("\\boxed{", None),
    ],
)
def test_the_last_closed_box_is_the_answer(response: str, answer: str | None) -> None:
    assert boxed(response) == answer


@pytest.mark.parametrize(
    ("answer", "expected", "same"),
    [
        ("042", "42", True),
        ("\\frac12", "0.5", True),
        ("\\sqrt{8}", "2\\sqrt{2}", True),
        ("$x^2+1$", "1+x^2", True),
        ("1,000", "1000", True),
        ("1,2", "2,1", True),
        ("[1,2)", "(1,2)", False),
        ("41", "42", False),
        ("", "", False),
        ("0" * 20_000, "0", False),
        ("__import__('os').system('true')", "0", False),
    ],
)
def test_equal_expressions_are_equal(answer: str, expected: str, same: bool) -> None:
    assert equal(answer, expected) is same


def test_an_expression_without_end_is_no_equality_and_the_next_is_compared() -> None:
    assert not equal("9^{9^{9^{9^{9}}}}", "\\sqrt{2}")
    assert equal("\\frac{2}{4}", "\\frac{1}{2}")


def test_answers_are_split_at_the_outer_commas() -> None:
    assert split_answers("1, (2,3),\\{4,5\\} ,6") == ["1", "(2,3)", "\\{4,5\\}", "6"]


def test_aime(tmp_path: Path) -> None:
    loaded = aime.load(config("aime", fixture.make_aime(tmp_path), "2024"), 0)
    assert [p.problem_id for p in loaded.problems] == ["60", "61"]
    assert "train.jsonl:3: answer is 'many', not an integer" in loaded.unjudged[0].reason
    assert "\\boxed{}" in aime.prompt(loaded.problems[0])[0].content
    said = [aime.judge(loaded.problems[0], a, JudgeConfig()).verdict for a in ("42", "43", None)]
    assert said == ["accepted", "wrong_answer", "no_code"]
    assert aime.open_data(tmp_path)({"id": 61}).metadata["answer"] == "541"
    with pytest.raises(ConfigError, match=r"benchmarks\.aime\.split='2023' is no year"):
        aime.load(config("aime", tmp_path, "2023"), 0)


@pytest.mark.parametrize(
    ("number", "answer", "verdict"),
    [
        (0, "0.5", "accepted"),
        (0, "\\frac{2}{4}", "accepted"),
        (0, "0.6", "wrong_answer"),
        (1, "2\\sqrt{2}, 1", "accepted"),
        (1, "1", "wrong_answer"),
        (1, "1, 1", "wrong_answer"),
        (1, "1, 2\\sqrt{2}, 3", "wrong_answer"),
        (2, "3.2", "accepted"),  # within the published tolerance of 0.1
        (2, "3.3", "wrong_answer"),
        (2, None, "no_code"),
    ],
)
def test_olympiadbench(tmp_path: Path, number: int, answer: str | None, verdict: str) -> None:
    folder = fixture.make_olympiadbench(tmp_path)
    loaded = olympiadbench.load(config("olympiadbench", folder, "OE_TO_maths_en_COMP"), 0)
    assert len(loaded.problems) == 3 and "final_answer is []" in loaded.unjudged[0].reason
    assert olympiadbench.judge(loaded.problems[number], answer, JudgeConfig()).verdict == verdict
    assert "several answers" in olympiadbench.prompt(loaded.problems[1])[0].content
    assert "unit (m)" in olympiadbench.prompt(loaded.problems[2])[0].content
    with pytest.raises(DataError, match="not open-ended and text-only"):
        olympiadbench.load(config("olympiadbench", folder, "OE_MM_maths_en_COMP"), 0)


def test_gpqa_shuffles_each_question_in_its_own_order(tmp_path: Path) -> None:
    folder = fixture.make_gpqa(tmp_path)
    loaded = gpqa_diamond.load(config("gpqa_diamond", folder), 0)
    assert loaded == gpqa_diamond.load(config("gpqa_diamond", folder), 0)
    assert loaded != gpqa_diamond.load(config("gpqa_diamond", folder), 1)
    right = Counter(problem.metadata["answer"] for problem in loaded.problems)
    assert len(loaded.problems) == 8 and len(right) > 1
    for problem in loaded.problems:
        letter = problem.metadata["answer"]
        assert f"\n{letter}) right" in problem.prompt
        assert gpqa_diamond.judge(problem, letter, JudgeConfig()).passed
        other = "ABCD"["ABCD".index(letter) - 1]
        assert not gpqa_diamond.judge(problem, other, JudgeConfig()).passed


@pytest.mark.parametrize(
    ("response", "letter"),
    [
        ("\\boxed{C}", "C"),
        ("\\boxed{(B)}", "B"),
        ("\\boxed{\\text{D}}", "D"),
        ("\\boxed{A} but no: \\boxed{B}", "B"),
        ("The answer is C.", "C"),
        ("Answer: **D**", "D"),
        ("\\boxed{A}\nAnswer: B", "B"),
        ("because of it\n(A)", "A"),
        ("because of it\n**C**.", "C"),
        ("A is better than B", None),
        ("The answer is clear", None),
        ("", None),
    ],
)
def test_the_letter_that_is_chosen_last(response: str, letter: str | None) -> None:
    assert gpqa_diamond.extract(response) == letter
