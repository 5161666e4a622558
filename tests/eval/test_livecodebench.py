"""LiveCodeBench: slices and windows, packed tests, programs that read stdin and functions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.benchmarks.livecodebench import extract, judge, load, open_data, prompt
from eval.checkers.livecodebench import program
from eval.judge.spec import Judgement
from tessy.config import BenchmarkConfig, JudgeConfig
from tessy.errors import DataError
from tests.eval.fixtures import livecodebench as fixture

TOTAL = "print(sum(map(int, input().split())))"
PAIR = "class Solution:\n    def pair(self, a, b):\n        return "


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fixture.make(tmp_path_factory.mktemp("lcb"))


def config(folder: Path, split: str) -> BenchmarkConfig:
    return BenchmarkConfig("lcb", "livecodebench", 1, split=split, path=str(folder))


def verdict(folder: Path, name: str, source: str) -> Judgement:
    return judge(open_data(folder)({"question_id": name}), source, JudgeConfig())


@pytest.mark.parametrize(
    ("split", "names"),
    [
        ("test5", ["abc_a", "3001"]),
        ("test6", ["abc_b", "abc_a"]),
        ("v5", ["abc_a", "3001"]),  # both ends of a window are in it
        ("v6", ["3001", "abc_b"]),
        ("2025-02-02..2025-02-02", ["abc_b"]),
        ("", ["abc_a", "3001", "abc_b"]),
    ],
)
def test_slices_and_windows(folder: Path, split: str, names: list[str]) -> None:
    assert [p.problem_id for p in load(config(folder, split), 0).problems] == names


def test_bad_lines_are_listed_and_the_rest_is_read(folder: Path) -> None:
    broken, lacking = load(config(folder, "test5"), 0).unjudged
    assert "test5.jsonl:3 is not JSON" in broken.reason and broken.counts
    assert "test5.jsonl:4: metadata is missing" in lacking.reason
    with pytest.raises(DataError, match=r"question 'y' is not in .* \(unreadable: .*jsonl:3 is"):
        open_data(folder)({"question_id": "y"})
    with pytest.raises(DataError, match=r"^\S*test5\.jsonl:4: metadata is missing"):
        open_data(folder)({"question_id": "x"})
    with pytest.raises(DataError, match=r"has no test9\.jsonl; set benchmarks\.\w+\.split to"):
        load(config(folder, "test9"), 0)


def test_prompts_show_the_starter_code_or_ask_for_stdin(folder: Path) -> None:
    total, pair = load(config(folder, "test5"), 0).problems
    system, user = prompt(total)
    assert system.role == "system" and "expert Python programmer" in system.content
    assert "stdin" in user.content and "Statement of abc_a" in user.content
    assert "def pair(self, a, b)" in prompt(pair)[1].content
    assert "stdin" not in prompt(pair)[1].content


@pytest.mark.parametrize(
    ("source", "expected", "tests"),
    [
        (TOTAL, "accepted", 3),
        ("print(1.0 * sum(map(int, input().split())))", "accepted", 3),
        ("import sys\n" + TOTAL + "\nsys.exit(1)", "accepted", 3),  # leaving is no error
        ("print(gcd(0, sum(Counter(map(int, input().split())).elements())))", "accepted", 3),
        ("from __future__ import annotations\n" + TOTAL, "accepted", 3),
        ("def main():\n    " + TOTAL + "\nif __name__ == '__main__':\n    main()", "accepted", 3),
        ("print(3)", "wrong_answer", 2),
        (TOTAL + "\nprint()\nprint(0)", "wrong_answer", 1),
        (TOTAL + "\n1 / 0", "runtime_error", 1),
        ("print(", "compile_error", 0),
        ("", "wrong_answer", 1),
    ],
)
def test_programs_that_read_stdin(folder: Path, source: str, expected: str, tests: int) -> None:
    got = verdict(folder, "abc_a", source)
    assert (got.verdict, len(got.runs)) == (expected, tests), got


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (PAIR + "[a, b]", "accepted"),
        (PAIR + "(a, b)", "accepted"),  # a tuple at the top is a list
        (PAIR + "[a, tuple(b) if isinstance(b, list) else b]", "wrong_answer"),  # inside it is not
        (PAIR + "deque([a, b])", "wrong_answer"),
        (PAIR + "print('noise', end='') or [a, b]", "accepted"),
        (PAIR + "[b, a]", "wrong_answer"),
        (PAIR + "a.no", "runtime_error"),
        (PAIR.replace("pair", "other") + "[a, b]", "runtime_error"),
        ("def pair(a, b):\n    return [a, b]", "accepted"),
        ("import json, os\njson.loads = os = None\n" + PAIR + "[a, b]", "runtime_error"),
        (PAIR + "[float(a), b] if a == 1 else [a, b]", "accepted"),
        (PAIR + "exit(0)", "wrong_answer"),
    ],
)
def test_functions(folder: Path, source: str, expected: str) -> None:
    assert verdict(folder, "3001", source).verdict == expected


def test_plain_private_tests_are_read_as_well(folder: Path) -> None:
    got = verdict(folder, "abc_b", "print(input())")
    assert got.passed and len(got.runs) == 2


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("private_test_cases", "x", "private_test_cases is neither JSON nor packed tests"),
        ("private_test_cases", "[1]", "private_test_cases[0] lacks the text input or output"),
        ("private_test_cases", '[{"input": "1", "output": 2}]', "private_test_cases[0] lacks"),
        ("public_test_cases", "{}", "public_test_cases is no list"),
        ("public_test_cases", "[", "public_test_cases is not JSON"),
    ],
)
def test_bad_tests_are_a_fault_with_file_line_and_field(
    tmp_path: Path, field: str, value: str, said: str
) -> None:
    row = fixture.row("a", "2025-01-01", [], [("1", "1")]) | {field: value}
    (tmp_path / "test5.jsonl").write_text("\n" + json.dumps(row) + "\n")
    got = verdict(tmp_path, "a", "print(1)")
    assert got.verdict == "judge_fault" and f"test5.jsonl:2: {said}" in got.message


def test_a_problem_without_tests_is_a_fault_and_not_passed(tmp_path: Path) -> None:
    row = fixture.row("a", "2025-01-01", [], [])
    (tmp_path / "test5.jsonl").write_text(json.dumps(row) + "\n")
    got = verdict(tmp_path, "a", "print(1)")
    assert got.verdict == "judge_fault" and "has no tests" in got.message


@pytest.mark.parametrize(
    "metadata", ["[", "[]", '{"func_name": "a; import os"}', '{"func_name": 1}']
)
def test_a_function_name_that_is_none_is_refused(tmp_path: Path, metadata: str) -> None:
    row = fixture.row("a", "2025-01-01", [("1", "1")], []) | {"metadata": metadata}
    (tmp_path / "test5.jsonl").write_text(json.dumps(row) + "\n")
    loaded = load(config(tmp_path, "test5"), 0)
    assert not loaded.problems and "test5.jsonl:1: metadata" in loaded.unjudged[0].reason


def test_the_imports_stand_before_the_program_and_cost_it_one_line() -> None:
    lines = program("x = 1").split("\n")
    assert lines[0].startswith("from string import *; ") and lines[1] == "x = 1"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("```python\nx\n```", "x"),
        ("```\na\n```\nthen\n```python\nb\nc\n```\nend", "b\nc"),
        ("```python\nx", None),
        ("say ``` here\nx\nand ``` there", "x"),
        ("```python\nx\n```\n```\ny", ""),
        ("", None),
    ],
)
def test_the_program_stands_between_the_last_two_fences(answer: str, code: str | None) -> None:
    assert extract(answer) == code
