"""OJBench: problems in DMOJ's format, in C++ and Python, with every kind of checker."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eval.benchmarks.ojbench import extract, judge, load, open_data, partial_verdicts
from eval.formats.dmoj_init import Helper, open_problem
from eval.judge.spec import Judgement, TestRun
from tessy.config import BenchmarkConfig, JudgeConfig
from tessy.errors import DataError
from tessy.records import Problem
from tests.eval import kinds
from tests.eval.fixtures import ojbench as fixture

CPP = "#include <bits/stdc++.h>\nint main() { int a; std::cin >> a; std::cout << %s; }"
PYTHON = "a = int(input())\nprint(%s)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fixture.make(tmp_path_factory.mktemp("ojbench"))


def verdict(folder: Path, name: int | str, language: str, source: str) -> Judgement:
    row = {"id": name, "language": language}
    return judge(open_data(folder)(row), source, JudgeConfig())


def config(folder: Path, language: str = "cpp", **options: object) -> BenchmarkConfig:
    return BenchmarkConfig(
        "ojbench",
        "ojbench",
        1,
        path=str(folder),
        language=language,
        **options,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("language", ["cpp", "python"])
def test_a_language_is_loaded_and_what_is_not_supported_is_named(
    folder: Path, language: str
) -> None:
    loaded = load(config(folder, language), 0)
    assert [p.problem_id for p in loaded.problems] == ["loj-100", "loj-101", "loj-102", "one2023_A"]
    assert {p.metadata["language"] for p in loaded.problems} == {language}
    assert [(u.problem_id, u.counts) for u in loaded.unjudged] == [
        ("one2023_B", True),
        ("nwerc2023_H", False),
    ]
    assert "init.yml:2: custom_judge is not supported" in loaded.unjudged[0].reason
    noi = load(config(folder, language, split="NOI"), 0)
    assert [p.problem_id for p in noi.problems] == ["loj-100", "loj-101", "loj-102"]
    assert len(load(config(folder, language, problems=2), 0).problems) == 2


@pytest.mark.parametrize(
    ("name", "language", "source", "expected"),
    [
        (100, "cpp", CPP % "2 * a", "accepted"),
        (100, "cpp", CPP % "a + 4", "wrong_answer"),
        (100, "cpp", CPP % "2 * a + x", "compile_error"),
        (100, "cpp", CPP % "2 * a / (a - 3)", "wrong_answer"),
        (100, "python", PYTHON % "2 * a", "accepted"),
        (100, "python", PYTHON % "2 * a if a < 8 else 0", "wrong_answer"),
        (100, "python", PYTHON % "2 * a if a != 5 else 1 // 0", "runtime_error"),
        (100, "python", "print(", "compile_error"),
        (101, "python", PYTHON % "2 * a", "accepted"),
        (101, "python", PYTHON % "2 * a + 1", "accepted"),  # points are counted as accepted
        (101, "python", PYTHON % "2 * a + 2", "wrong_answer"),
        (101, "python", PYTHON % "666", "judge_fault"),  # the checker blames the jury
        (102, "python", PYTHON % "2 * a + 1", "accepted"),  # within the tolerance
        (102, "python", PYTHON % "2 * a + 2", "wrong_answer"),
        (102, "python", PYTHON % "-1", "judge_fault"),  # the checker raises
        ("one2023_A", "python", PYTHON % "2 * a", "accepted"),
        ("one2023_A", "cpp", CPP % "2 * a", "accepted"),
        ("one2023_A", "python", PYTHON % "a", "wrong_answer"),
    ],
)
def test_verdicts(folder: Path, name: int | str, language: str, source: str, expected: str) -> None:
    if name in (101, "one2023_A"):
        kinds.need_testlib()
    got = verdict(folder, name, language, source)
    assert got.verdict == expected, got


def test_all_tests_are_run_and_the_first_failing_one_decides(folder: Path) -> None:
    got = verdict(folder, 100, "python", PYTHON % "{3: 1, 5: 0}.get(a) or 2 * a // (a != 5)")
    assert got.verdict == "wrong_answer" and got.message.startswith("test 3: ")
    said = [run.verdict for run in got.runs]
    assert (
        said == ["accepted"] * 2 + ["wrong_answer", "accepted", "runtime_error"] + ["accepted"] * 3
    )
    fields = partial_verdicts(got)
    assert fields == {
        "1/8verdict": "AC",
        "1/8is_passed": True,
        "1/4verdict": "AC",
        "1/4is_passed": True,
        "1/2verdict": "WA",
        "1/2is_passed": False,
    }


@pytest.mark.parametrize(
    ("failing", "count", "passed"),
    [
        (0, 1, [True, True, True]),  # round(1/2) is 0
        (0, 3, [True, False, False]),  # round(3/8) is 0, round(3/4) is 1
        (2, 5, [True, True, True]),  # round(2.5) is 2, as bankers round
        (3, 7, [True, True, False]),  # round(3.5) is 4
        (3, 8, [True, True, False]),
        (8, 8, [True, True, True]),
    ],
)
def test_partial_verdicts_round_as_bankers_do(failing: int, count: int, passed: list[bool]) -> None:
    runs = tuple(
        TestRun("accepted" if i != failing else "time_limit", 1, 1, 1, b"") for i in range(count)
    )
    full = "time_limit" if failing < count else "accepted"
    fields = partial_verdicts(Judgement(full, "", runs))  # type: ignore[arg-type]
    assert [fields[f"1/{n}is_passed"] for n in (8, 4, 2)] == passed
    assert {fields[f"1/{n}verdict"] for n in (8, 4, 2)} <= {"AC", "TLE"}


def test_without_tests_the_partial_verdicts_are_the_whole_one() -> None:
    assert partial_verdicts(Judgement("compile_error"))["1/8verdict"] == "CE"
    assert partial_verdicts(Judgement("judge_fault"))["1/2is_passed"] is False


def test_newlines_of_the_tests_are_normalized(folder: Path) -> None:
    source = (
        "import sys\ndata = sys.stdin.buffer.read()\n"
        "assert b'\\r' not in data and data[-1:] == b'\\n'\n"
        "print(2 * int(data.split()[0]))"
    )
    assert verdict(folder, 100, "python", source).passed


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"id": 999, "language": "cpp"}, "loj-999 is no folder"),
        ({"id": "../../etc", "language": "cpp"}, "'../../etc' is no problem"),
        ({"id": "swerc2023_L", "language": "cpp"}, "swerc2023_L is skipped"),
        ({"id": 100, "language": "java"}, "language 'java' is not one of"),
    ],
)
def test_a_response_to_no_problem_is_refused(
    folder: Path, row: dict[str, object], said: str
) -> None:
    with pytest.raises(DataError) as error:
        open_data(folder)(row)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("init", "said"),
    [
        ("", "init.yml:1: test_cases is missing, not a list"),
        ("test_cases: {input_format: x}", "init.yml:2: test_cases is a mapping, not a list"),
        ("test_cases: []", "init.yml:2: test_cases is a list, not a list of 1 to"),
        ("test_cases: [{in: 1.in, out: 9.out}]", "init.yml:2: test_cases[0].out '9.out' is not"),
        ("test_cases: [{batched: [{in: 1.in}]}]", "test_cases[0].batched is not supported"),
        ("test_cases: [{in: 1.in, generator_args: [1]}]", "generator_args is not supported"),
        ("generator: gen.cpp\n" + fixture.CASES, "init.yml:2: generator is not supported"),
        ("signature_grader: {entry: a.cpp}\n", "init.yml:2: signature_grader is not supported"),
        ("checker: standart\n" + fixture.CASES, "init.yml:2: checker 'standart' is unknown"),
        ("checker: {name: floats, args: {eps: 3}}\n" + fixture.CASES, "no argument 'eps'"),
        ("checker: no.py\n" + fixture.CASES, "init.yml:2: checker is 'no.py', not a checker or"),
        ("checker: {name: bridged}\n" + fixture.CASES, "checker.args is missing, not a mapping"),
        ("checker: {name: bridged, args: {files: x.cpp}}\n" + fixture.CASES, "not files of the"),
        ("checker: {name: bridged, args: {files: 1.in}}\n" + fixture.CASES, "not C++ files"),
        ("interactive: {files: tests.zip}\n" + fixture.CASES, "not C++ files"),
        ("time_limit: 3\n" + fixture.CASES, "init.yml:2: unknown key 'time_limit'"),
        ("output_limit_length: -1\n" + fixture.CASES, "output_limit_length is -1, not in"),
        ("binary_data: 1\n" + fixture.CASES, "binary_data is 1, not true or false"),
        ("archive: a.zip\n", "init.yml:2: 'archive' is there twice"),
    ],
)
def test_a_bad_init_names_file_line_and_field(tmp_path: Path, init: str, said: str) -> None:
    with pytest.raises(DataError) as error:
        open_problem(fixture.problem(tmp_path / "p", init))
    assert said in str(error.value) and str(tmp_path / "p") in str(error.value)


def test_an_archive_elsewhere_is_not_opened(tmp_path: Path) -> None:
    problem = fixture.problem(tmp_path / "p", fixture.CASES)
    (problem / "init.yml").write_text("archive: ../p/tests.zip\n" + fixture.CASES)
    with pytest.raises(DataError, match="not a zip file in the problem's folder"):
        open_problem(problem)


def test_arguments_of_a_bridged_checker(tmp_path: Path) -> None:
    args = "{files: [c.cpp, h.h], lang: CPP11, type: coci, flags: [-g], time_limit: 3"
    args += ", memory_limit: 65536}"
    init = f"checker: {{name: bridged, args: {args}}}\n" + fixture.CASES
    files = {"c.cpp": "", "h.h": ""}
    archive, setup = open_problem(fixture.problem(tmp_path / "p", init, files))
    archive.close()
    assert setup.cases[0].check.helper == Helper(
        ("c.cpp", "h.h"), "coci", ("-g",), "gnu++11", "", 3.0, 2.0, 64
    )


PIECES = ("checker: ", "test_cases: ", "- {in: 1.in}", "standard", "bridged", "\n", "  ", "args:")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    text=st.lists(
        st.sampled_from(
            [*PIECES, "{name: sorted}", "interactive: ", "{files: 1.in}", "points: 1", "null"]
        ),
        max_size=8,
    )
)
def test_any_init_is_read_or_refused(tmp_path: Path, text: list[str]) -> None:
    problem = fixture.problem(tmp_path / "p", "".join(text))
    try:
        archive, setup = open_problem(problem)
        archive.close()
        assert setup.cases
    except DataError as error:
        assert "init.yml" in str(error)


@pytest.mark.parametrize(
    ("language", "answer", "code"),
    [
        ("cpp", "```cpp\nint x;\n```\ntext", "int x;"),
        ("cpp", "```cpp\nint x;\n```\nor\n```cpp\nint y;\n```", "int y;"),
        ("cpp", "int z;", "int z;"),
        ("cpp", "```python\nx\n```", "```python\nx"),
        ("python", "```python\nprint(1)\n", "print(1)\n"),
        ("python", "```python\ndef main():\n    x\n```", "def main():\n    x\nmain()"),
        ("python", "```python\ndef main():\n    x\nmain()\n```", "def main():\n    x\nmain()"),
        (
            "python",
            "```python\ndef main():\n    x\nThread(target=main).start()\n```",
            "def main():\n    x\nThread(target=main).start()\nmain()",
        ),
        ("cpp", "```cpp\ndef main():\n```", "def main():"),
    ],
)
def test_the_last_fence_of_the_language_is_the_program(
    language: str, answer: str, code: str
) -> None:
    assert extract(Problem("p", "", metadata={"language": language}), answer) == code
