"""LiveCodeBench-Pro: what is read, extracted and judged, with real archives and a real sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eval.benchmarks.lcb_pro import extract, judge, load, open_data, prompt
from eval.formats.archive import Archive
from eval.formats.lightcp import Case, read_config
from eval.judge.spec import Judgement
from tessy.config import BenchmarkConfig, JudgeConfig
from tessy.errors import DataError
from tests.eval import kinds
from tests.eval.fixtures import lcb_pro as fixture

HEAD = "#include <bits/stdc++.h>\nusing namespace std;\n"
RIGHT = HEAD + "int main() { long long a, b; cin >> a >> b; cout << a + b << endl; }"
GUESS = HEAD + (
    "int main() { int low = 1, high = 1000000; string said;"
    " while (true) { int guess = (low + high) / 2; cout << guess << endl; cin >> said;"
    ' if (said == "=") return 0; if (said == "<") low = guess + 1; else high = guess - 1; } }'
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fixture.make(tmp_path_factory.mktemp("lcb_pro"))


def config(path: Path, **options: object) -> BenchmarkConfig:
    return BenchmarkConfig("lcb_pro", "lcb_pro", runs=1, path=str(path), **options)  # type: ignore[arg-type]


def verdict(folder: Path, name: str, source: str | None) -> Judgement:
    kinds.need_testlib()
    return judge(open_data(folder)({"problem_id": name}), source, JudgeConfig())


def test_each_problem_is_loaded_once_and_what_is_missing_is_listed(folder: Path) -> None:
    loaded = load(config(folder), 0)
    assert [(p.problem_id, p.difficulty, p.metadata["split"]) for p in loaded.problems] == [
        ("2000A", "easy", "quater_2024_10_12"),
        ("2000B", "medium", "quater_2024_10_12"),
    ]
    by_id = {u.problem_id: u for u in loaded.unjudged}
    assert by_id["2086F"].counts and "no archive of tests" in by_id["2086F"].reason
    (line,) = (u for u in loaded.unjudged if u.problem_id != "2086F")
    assert "quater_2025_7_9.jsonl:1 is not JSON" in line.reason and not line.counts
    asked = prompt(loaded.problems[0])[-1].content
    assert "```cpp" in asked and "Statement of 2000A" in asked
    only = load(config(folder, split="quater_2025_1_3"), 0)
    assert [p.problem_id for p in only.problems] == ["2000A"]


@pytest.mark.parametrize(
    ("source", "expected", "tests"),
    [
        (RIGHT, "accepted", 3),
        (RIGHT.replace("a + b", "a + b + (a > 2)"), "wrong_answer", 3),
        (RIGHT.replace("<< endl", '<< " 0"'), "wrong_answer", 1),
        (RIGHT.replace("a + b", "a + b / (a - 2)"), "wrong_answer", 1),
        (RIGHT.replace("cout", "if (a == 2) abort(); cout"), "runtime_error", 2),
        (RIGHT.replace("cout", "if (a == 2) return 3; cout"), "runtime_error", 2),
        (RIGHT.replace("cout", "if (a == 2) while (true) {} cout"), "time_limit", 2),
        (RIGHT.replace("a + b", "a + c"), "compile_error", 0),
        (None, "no_code", 0),
    ],
)
def test_verdicts_stop_at_the_first_failing_test(
    folder: Path, source: str | None, expected: str, tests: int
) -> None:
    got = verdict(folder, "2000A", source)
    assert (got.verdict, len(got.runs)) == (expected, tests), got
    assert all(run.verdict == "accepted" for run in got.runs[:-1])
    assert all(run.stdout == b"" for run in got.runs)  # judged and dropped


def test_the_checkers_word_is_the_message(folder: Path) -> None:
    got = verdict(folder, "2000A", RIGHT.replace("a + b", "7"))
    assert got.message.startswith("test 1: ") and "7, not 2" in got.message


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (GUESS, "accepted"),
        (GUESS.replace("(low + high) / 2", "low"), "wrong_answer"),  # too many turns
        (HEAD + "int main() { return 0; }", "wrong_answer"),  # says nothing
        (HEAD + 'int main() { cout << "x" << endl; }', "wrong_answer"),
        (HEAD + "int main() { while (true) {} }", "time_limit"),
    ],
)
def test_interactive_problems(folder: Path, source: str, expected: str) -> None:
    assert verdict(folder, "2000B", source).verdict == expected


@pytest.mark.parametrize(
    ("checker", "said"),
    [
        ("int main() { return x; }", "1A.zip/chk.cc does not compile"),
        ("int main() { __builtin_trap(); }", "1A.zip/chk.cc failed itself"),
    ],
)
def test_a_checker_that_fails_is_a_fault_and_no_verdict(
    tmp_path: Path, checker: str, said: str
) -> None:
    fixture.archive(tmp_path / "1A.zip", fixture.SUM | {"chk.cc": checker})
    got = verdict(tmp_path, "1A", RIGHT)
    assert (got.verdict, got.retried) == ("judge_fault", 1) and said in got.message


def test_a_damaged_archive_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "1A.zip").write_bytes(b"PK")
    got = verdict(tmp_path, "1A", RIGHT)
    assert got.verdict == "judge_fault" and "1A.zip is no readable zip archive" in got.message


def test_all_keys_of_a_configuration(tmp_path: Path) -> None:
    text = """
type: default
time: 1500ms
memory: 1g
checker: checker/mine.cpp
filename: solution
input_prefix: in_
input_suffix: .txt
output_prefix: out_
output_suffix: .out
subtasks:
  - {score: 40, n_cases: 2}
  - score: 60
    time: 3s
    cases:
      - {input: big.in, output: big.out, memory: 512m}
      - {input: in_1.txt, output: in_1.ans, time: 2.5s}
  - {n_cases: 1, memory: 65536k}
"""
    files = {"config.yaml": text, "checker/mine.cpp": ""} | {
        f"testdata/{name}": ""
        for name in ("in_1.txt", "in_2.txt", "in_3.txt", "out_1.out", "out_2.out", "out_2.ans")
    }
    files |= {f"testdata/{name}": "" for name in ("out_3.out", "big.in", "big.out", "in_1.ans")}
    with Archive(fixture.archive(tmp_path / "a.zip", files)) as archive:
        got = read_config(archive)
    assert (got.interactive, got.checker, got.filename) == (False, "checker/mine.cpp", "solution")
    t = "testdata/"
    assert got.cases == (
        Case(t + "in_1.txt", t + "out_1.out", 1.5, 1024, 0),
        Case(t + "in_2.txt", t + "out_2.ans", 1.5, 1024, 0),  # .ans beside .out goes first
        Case(t + "big.in", t + "big.out", 3.0, 512, 1),
        Case(t + "in_1.txt", t + "in_1.ans", 2.5, 1024, 1),
        Case(t + "in_3.txt", t + "out_3.out", 1.5, 64, 2),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("subtasks: []", "config.yaml:1: subtasks is a list, not a list with at least one case"),
        ("type: leetcode", "config.yaml:1: type is 'leetcode', not default or interactive"),
        ("a: 1", "config.yaml:1: unknown key 'a'"),
        ("\nsubtask: [{n_cases: 1}]", "config.yaml:2: unknown key 'subtask'; did you mean"),
        ("subtasks:\n- {n_cases: 4}", "config.yaml:2: subtasks[0].n_cases needs 'testdata/4.in'"),
        ("subtasks:\n- {n_cases: x}", "config.yaml:2: subtasks[0].n_cases is 'x', not a whole"),
        ("subtasks:\n- {n_cases: -1}", "config.yaml:2: subtasks[0].n_cases is -1, not in 0.."),
        ("subtasks:\n- {score: 1}", "config.yaml:2: subtasks[0] is a mapping, not a mapping with"),
        ("subtasks:\n- {cases: [{input: 1.in}]}", "subtasks[0].cases[0].output is missing"),
        ("time: 0s\nsubtasks: [{n_cases: 1}]", "config.yaml:1: time is '0s', not a time"),
        ("time: fast\nsubtasks: [{n_cases: 1}]", "config.yaml:1: time is 'fast', not a time"),
        ("memory: 256\nsubtasks: [{n_cases: 1}]", "config.yaml:1: memory is 256, not a size"),
        ("checker: no.cc\nsubtasks: [{n_cases: 1}]", "config.yaml:1: checker 'no.cc' is not in"),
        ("type: interactive\nsubtasks: [{n_cases: 1}]", "interactor 'interactor.cc' is not in"),
        ("subtasks: {a: 1}", "config.yaml:1: subtasks is a mapping, not a list"),
    ],
)
def test_a_bad_configuration_names_file_line_and_field(
    tmp_path: Path, text: str, said: str
) -> None:
    path = fixture.archive(tmp_path / "a.zip", fixture.SUM | {"config.yaml": text})
    with Archive(path) as archive, pytest.raises(DataError) as error:
        read_config(archive)
    assert said in str(error.value) and "a.zip/config.yaml" in str(error.value)


_VALUES = st.sampled_from(["1", "2s", "x", "[]", "{}", "-1", "1g", ".", "true", "[{n_cases: 1}]"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    lines=st.lists(
        st.tuples(st.sampled_from(["type", "time", "memory", "checker", "subtasks"]), _VALUES),
        max_size=5,
    )
)
def test_any_configuration_is_read_or_refused(tmp_path: Path, lines: list[tuple[str, str]]) -> None:
    text = "".join(f"{name}: {value}\n" for name, value in lines)
    path = fixture.archive(tmp_path / "a.zip", fixture.SUM | {"config.yaml": text})
    try:
        with Archive(path) as archive:
            assert read_config(archive).cases
    except DataError as error:
        assert "a.zip/config.yaml" in str(error)


CODE = "#include <a>\nint main() { if (1) { return 0; } }"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (f"```cpp\n{CODE}\n```", CODE),
        (f"```cpp\n{CODE}\n```\nor\n```cpp\nint x;\n```", CODE),
        (f"```cpp\n#include <b>\n```\n```cpp\n{CODE}\n```", CODE),
        (f"text ```cpp\n{CODE}\n``` text", CODE),  # by its main
        (f"So:\n{CODE}\nThat is all {{}}.", CODE),
        (f"```c++\n{CODE}\n```", CODE),
        (f"#include <old>\n\nno\n{CODE} int main() {{", f"{CODE} int main() {{"),
        ("int main() {}", None),
        ("#include <a>\nint main()", None),
        (
            "int x;\n#include <a>\nusing y;\nint  main (int n) { {} } z",
            "#include <a>\nusing y;\nint  main (int n) { {} }",
        ),
        ("", None),
    ],
)
def test_the_last_block_with_an_include_is_the_program(answer: str, code: str | None) -> None:
    assert extract(answer) == code
