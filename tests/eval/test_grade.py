"""`python -m eval.grade`: rows in, rows with verdicts out; resumed, and nothing judged twice."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eval.benchmarks import ojbench
from eval.grade import grade, main
from eval.judge.spec import Judgement
from tessy.config import JudgeConfig
from tessy.errors import DataError, MissingError
from tessy.records import Problem
from tests.eval import kinds
from tests.eval.fixtures import lcb_pro as pro_fixture
from tests.eval.fixtures import livecodebench as lcb_fixture
from tests.eval.fixtures import ojbench as fixture

ROOT = Path(__file__).resolve().parents[2]
RIGHT = "```python\na = int(input())\nprint(2 * a)\n```"
WRONG = "```python\na = int(input())\nprint(2 * a if a < 6 else 0)\n```"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fixture.make(tmp_path_factory.mktemp("ojbench"))


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The problems that are really judged, one entry a judgement."""
    names: list[str] = []

    def judge(problem: Problem, answer: str | None, config: JudgeConfig) -> Judgement:
        names.append(problem.problem_id)
        return ojbench.judge(problem, answer, config)

    monkeypatch.setattr(ojbench, "BENCHMARK", dataclasses.replace(ojbench.BENCHMARK, judge=judge))
    yield names


def responses(path: Path, *rows: dict[str, Any] | str) -> Path:
    lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    path.write_text("".join(line + "\n" for line in lines))
    return path


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def row(content: str, name: int | str = 100, **more: Any) -> dict[str, Any]:
    return {"id": name, "language": "python", "content": content} | more


def test_fields_are_added_and_carried_through(data: Path, tmp_path: Path) -> None:
    asked = responses(
        tmp_path / "r.jsonl", row(RIGHT, model="m", run=3), row(WRONG, verdict="old", tests=1)
    )
    counts = grade("ojbench", data, asked, tmp_path / "o.jsonl", workers=2)
    right, wrong = rows(tmp_path / "o.jsonl")
    assert (right["model"], right["run"], right["content"]) == ("m", 3, RIGHT)
    assert (right["verdict"], right["is_passed"], right["message"]) == ("AC", True, "")
    assert len(right["tests"]) == 8
    assert set(right["tests"][0]) == {"verdict", "cpu_ms", "wall_ms", "memory_kb"}
    assert (wrong["verdict"], wrong["is_passed"]) == ("WA", False)
    assert [test["verdict"] for test in wrong["tests"]] == ["AC"] * 5 + ["WA"] * 3
    assert (wrong["1/2verdict"], wrong["1/2is_passed"]) == ("AC", True)
    assert counts == {"kept": 0, "AC": 1, "WA": 1}


def test_the_same_program_on_the_same_problem_is_judged_once(
    data: Path, tmp_path: Path, judged: list[str]
) -> None:
    other = "Another text around it:\n" + RIGHT
    asked = responses(
        tmp_path / "r.jsonl", row(RIGHT), row(WRONG), row(other, run=1), row(RIGHT, 102), row(RIGHT)
    )
    grade("ojbench", data, asked, tmp_path / "o.jsonl", workers=2)
    assert sorted(judged) == ["loj-100", "loj-100", "loj-102"]
    assert [r["is_passed"] for r in rows(tmp_path / "o.jsonl")] == [True, False, True, True, True]


def test_an_interrupted_grading_resumes(data: Path, tmp_path: Path, judged: list[str]) -> None:
    asked = responses(
        tmp_path / "r.jsonl", "{broken", row(RIGHT), row(WRONG), row(RIGHT, 102), row(RIGHT, x=1)
    )
    grade("ojbench", data, asked, tmp_path / "whole.jsonl", workers=1)
    whole = (tmp_path / "whole.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "o.jsonl").write_bytes(b"".join(whole[:3]) + whole[3][:30])
    judged.clear()
    counts = grade("ojbench", data, asked, tmp_path / "o.jsonl", workers=1)
    assert judged == ["loj-102"] and counts["kept"] == 3  # what was written is known of others
    again = rows(tmp_path / "o.jsonl")
    assert [(r["verdict"], r.get("x")) for r in again] == [
        (r["verdict"], r.get("x")) for r in rows(tmp_path / "whole.jsonl")
    ]
    judged.clear()
    before = (tmp_path / "o.jsonl").read_bytes()
    assert grade("ojbench", data, asked, tmp_path / "o.jsonl", workers=1) == {"kept": 5}
    assert not judged and (tmp_path / "o.jsonl").read_bytes() == before


def test_results_of_other_responses_are_not_taken_for_these(data: Path, tmp_path: Path) -> None:
    first = responses(tmp_path / "r.jsonl", row(RIGHT, run=1))
    grade("ojbench", data, first, tmp_path / "o.jsonl", workers=1)
    for other in ([row(WRONG, run=1)], [row(RIGHT, run=2)], []):
        with pytest.raises(DataError, match=r"o\.jsonl:1 is not the result of line 1"):
            asked = responses(tmp_path / "r2.jsonl", *other)
            grade("ojbench", data, asked, tmp_path / "o.jsonl", workers=1)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{broken", "r.jsonl:2 is not JSON"),
        ("[1]", "r.jsonl:2 is not a JSON object"),
        ({"id": 100, "content": ""}, "r.jsonl:2 has no 'language'; it needs id, language and"),
        (row(RIGHT) | {"content": 5}, "r.jsonl:2: content is 5"),
        (row(RIGHT, 999), "r.jsonl:2: "),
        (row(RIGHT, "one2023_B"), "custom_judge is not supported"),
        (row(RIGHT, "nwerc2023_H"), "nwerc2023_H is skipped"),
    ],
)
def test_a_bad_line_is_named_and_the_rest_goes_on(
    data: Path, tmp_path: Path, line: dict[str, Any] | str, said: str
) -> None:
    asked = responses(tmp_path / "r.jsonl", row(RIGHT), line, row(WRONG))
    grade("ojbench", data, asked, tmp_path / "o.jsonl", workers=2)
    first, bad, last = rows(tmp_path / "o.jsonl")
    assert (first["verdict"], last["verdict"]) == ("AC", "WA")
    assert not bad["is_passed"] and bad["tests"] == [] and said in bad["message"]
    assert bad["verdict"] in ("unjudged", "IE")
    if isinstance(line, dict):
        assert {name: bad[name] for name in line} == line


def test_livecodebench_pro_and_livecodebench_by_their_own_keys(tmp_path: Path) -> None:
    kinds.need_testlib()
    pro = pro_fixture.make(tmp_path / "pro")
    program = "int main() { int a, b; std::cin >> a >> b; std::cout << a + b; }"
    code = f"```cpp\n#include <iostream>\n{program}\n```"
    asked = responses(
        tmp_path / "r.jsonl",
        {"problem_id": "2000A", "content": code},
        {"problem_id": "2000A", "content": "no code"},
        {"problem_id": "2086F", "content": code},
    )
    grade("lcb_pro", pro, asked, tmp_path / "o.jsonl", workers=2)
    first, second, third = rows(tmp_path / "o.jsonl")
    assert first["is_passed"] and first["verdict"] == "Accepted"
    assert (second["verdict"], second["is_passed"]) == ("No Code", False)
    assert third["verdict"] == "unjudged" and "no archive of tests" in third["message"]

    lcb = lcb_fixture.make(tmp_path / "lcb")
    asked = responses(
        tmp_path / "r2.jsonl",
        {"question_id": "abc_b", "content": "```python\nprint(input())\n```"},
        {"question_id": "abc_b", "content": "```python\nprint(1)\n```"},
        {"question_id": "abc_b", "content": "```python\nprint(\n```"},
    )
    grade("livecodebench", lcb, asked, tmp_path / "o2.jsonl", workers=2)
    assert [r["error_code"] for r in rows(tmp_path / "o2.jsonl")] == [None, -2, -4]


def test_the_command(data: Path, tmp_path: Path) -> None:
    asked = responses(tmp_path / "r.jsonl", row(RIGHT), row(WRONG))
    arguments = ["ojbench", "--data", str(data), "--responses", str(asked)]
    done = subprocess.run(
        [sys.executable, "-m", "eval.grade", *arguments, "--out", str(tmp_path / "o.jsonl")],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "o.jsonl: 1 AC, 1 WA" in done.stdout


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--data", "error: {} is no folder to be read (No such file or directory)"),
        ("--responses", "error: --responses {} cannot be read"),
    ],
)
def test_what_is_not_there_is_one_clear_error(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, said: str
) -> None:
    asked = responses(tmp_path / "r.jsonl", row(RIGHT))
    options = {"--data": str(data), "--responses": str(asked), "--out": str(tmp_path / "o.jsonl")}
    options[option] = str(tmp_path / "missing")
    assert main(["ojbench", *(word for pair in options.items() for word in pair)]) == 1
    assert said.format(tmp_path / "missing") in capsys.readouterr().err


def test_an_unknown_benchmark_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="did you mean 'ojbench'"):
        grade("ojbenc", tmp_path, tmp_path, tmp_path, 1)
