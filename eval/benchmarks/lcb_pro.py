"""LiveCodeBench-Pro: contest problems in C++, judged like its public judge LightCPVerifier.

Source: hub data sets QAQAQAQAQ/LiveCodeBench-Pro (gated) and QAQAQAQAQ/LiveCodeBench-Pro-Testcase.
docs/judging.md lists what differs and why.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from eval.benchmarks import Benchmark, Finder, Loaded, Unjudged
from eval.checkers.testlib import Exited
from eval.formats.archive import Archive
from eval.formats.lightcp import Case, ProblemConfig, read_config
from eval.helpers import Check, build, interact, open_check
from eval.judge.spec import COMPILE_LIMITS, CompileOptions, Judgement, Limits, Program, TestRun
from eval.published import Row, files_below, folder_of, rows
from eval.submission import Suite, at_test, judge_built, judge_program, judged
from tessy.config import BenchmarkConfig, JudgeConfig
from tessy.errors import DataError
from tessy.records import Message, Problem

ROWS, TESTS = "QAQAQAQAQ/LiveCodeBench-Pro", "QAQAQAQAQ/LiveCodeBench-Pro-Testcase"
QUARTERS = ("quater_2024_10_12", "quater_2025_1_3", "quater_2025_4_6", "quater_2025_7_9")
OPTIONS = CompileOptions("cpp", ("-O2", "-pipe"), "gnu++17", limits=COMPILE_LIMITS)
CHECKER_LIMITS = Limits(10, 30, 256, 1024, 128)
WORDS = {
    "accepted": "Accepted",
    "wrong_answer": "Wrong Answer",
    "memory_limit": "Memory Limit Exceeded",
    "time_limit": "Time Limit Exceeded",
    "output_limit": "Output Limit Exceeded",
    "runtime_error": "Runtime Error",  # there: Nonzero Exit Status, Signalled
    "compile_error": "Compile Error",  # there: Judge Failed, as is the next
    "no_code": "No Code",
    "judge_fault": "Internal Error",
}
_OUTPUT_KB = 128 << 10
_PROCESSES = 128
_FENCE = re.compile(r"^```cpp\s*\n(.*?)\n```", re.MULTILINE | re.DOTALL)
_MAIN = re.compile(r"int\s+main\s*\(")
_ASK = (
    "Solve the following competitive programming problem in C++. The limits on time and memory "
    "are part of the statement: choose an algorithm that keeps them. Write the whole program in "
    "one block that opens with ```cpp and closes with ```.\n\n"
)


def load(config: BenchmarkConfig, seed: int) -> Loaded:
    """All quarters, or the split that is named; each problem once.

    A problem without an archive of tests cannot be judged and counts as not passed, as in the
    published scores.
    """
    folder = folder_of(config.path, ROWS, ("*.parquet", "*.jsonl"))
    tests = _archives(folder_of(config.path, TESTS, ("*.zip",)))
    found: dict[str, tuple[Row, str]] = {}
    unjudged: list[Unjudged] = []
    for split in (config.split,) if config.split else QUARTERS:
        for row in rows(folder, split):
            if isinstance(row, DataError):
                unjudged.append(Unjudged(row.what.split(" ")[0], str(row), counts=False))
            elif str(row.values.get("problem_id")) not in found:
                found[str(row.values.get("problem_id"))] = row, split
    problems = []
    for name, (row, split) in list(found.items())[: config.problems or None]:
        try:
            problem = _problem(row, split, tests)
            with Archive(Path(problem.data)) as archive:
                read_config(archive)
            problems.append(problem)
        except DataError as error:
            difficulty = str(row.values.get("difficulty") or "")
            unjudged.append(Unjudged(name, str(error), True, difficulty, split))
    return Loaded(tuple(problems), tuple(unjudged))


def prompt(problem: Problem) -> tuple[Message, ...]:
    """A solution in C++ is asked for; the limits are in the statement."""
    return (Message("user", _ASK + problem.prompt),)


def extract(response: str) -> str | None:
    """The last ```cpp block with an #include; else the last `int main(` and what is above it.

    Upwards that is from the nearest group of #include lines; downwards to its closing brace.
    """
    for block in reversed(_FENCE.findall(response)):
        if "#include" in block:
            return str(block).strip()
    for found in reversed(list(_MAIN.finditer(response))):
        opening = response.find("{", found.end())
        if opening >= 0:
            start = _start_of_includes(response, found.start())
            program = response[start : _closing_brace(response, opening)].strip()
            if "#include" in program:
                return program
    return None


def _start_of_includes(text: str, position: int) -> int:
    """Where the nearest group of #include lines above (or at) a position starts."""
    line_start = text.rfind("\n", 0, position) + 1
    start, inside = line_start, False
    while True:
        line = text[line_start : text.find("\n", line_start) % (len(text) + 1)]
        if line.lstrip().startswith("#include"):
            start, inside = line_start, True
        elif inside:
            return start
        if line_start == 0:
            return start
        line_start = text.rfind("\n", 0, line_start - 1) + 1


def _closing_brace(text: str, opening: int) -> int:
    depth = 0
    for brace in re.compile(r"[{}]").finditer(text, opening):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return brace.end()
    return len(text)


def judge(problem: Problem, answer: str | None, config: JudgeConfig) -> Judgement:
    """All tests must pass; stops at the first that does not.

    Raises:
        SandboxError: programs cannot be isolated on this machine.
    """

    def once(source: str) -> Judgement:
        with Archive(Path(problem.data)) as archive:
            setup = read_config(archive)
            kind = _judge_interactive if setup.interactive else _judge_default
            return kind(archive, setup, source, config)

    return judged(answer, once)


def open_data(folder: Path) -> Finder:
    """Problems by `problem_id`, from a folder of <id>.zip."""
    tests = _archives(folder)

    def find(row: Mapping[str, Any]) -> Problem:
        return _located(str(row["problem_id"]), tests)

    return find


def _archives(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in files_below(folder, "*.zip")}


def _located(name: str, tests: Mapping[str, Path]) -> Problem:
    if name not in tests:
        raise DataError(
            f"problem {name!r:.80} has no archive of tests", "no answer to it is judged"
        )
    return Problem(name, "", data=str(tests[name]))


def _problem(row: Row, split: str, tests: Mapping[str, Path]) -> Problem:
    located = _located(row.text("problem_id"), tests)
    return Problem(
        located.problem_id,
        row.text("problem_statement"),
        difficulty=row.text("difficulty"),
        metadata={
            "title": row.text("problem_title"),
            "platform": row.text("platform"),
            "split": split,
        },
        data=located.data,
    )


def _limits(case: Case) -> Limits:
    """CPU time is what is judged; the clock is a guard against sleeping."""
    return Limits(
        cpu_seconds=case.cpu_seconds,
        wall_seconds=3 * case.cpu_seconds + 2,
        memory_mb=case.memory_mb,
        output_kb=_OUTPUT_KB,
        processes=_PROCESSES,
        stack_mb=case.memory_mb,
    )


def _judge_default(
    archive: Archive, setup: ProblemConfig, source: str, config: JudgeConfig
) -> Judgement:
    checker = build(archive, (setup.checker,), config.testlib)
    with open_check(checker, CHECKER_LIMITS) as check:
        return judge_program(source, OPTIONS, _suite(archive, setup, check))


def _suite(archive: Archive, setup: ProblemConfig, check: Check) -> Suite:
    def judge_test(index: int, run: TestRun) -> str:
        case = setup.cases[index]
        files = {
            "in.txt": archive.read(case.input),
            "out.txt": run.stdout,
            "ans.txt": archive.read(case.answer),
        }
        exited = check(files, ("in.txt", "out.txt", "ans.txt"))
        said = (exited.stderr or exited.stdout).decode(errors="replace").strip()
        return "" if exited.status == 0 else said[:300] or f"the checker says {exited.status}"

    return Suite(
        [_limits(case) for case in setup.cases],
        lambda index: archive.read(setup.cases[index].input),
        judge_test,
        stops=True,
    )


def _judge_interactive(
    archive: Archive, setup: ProblemConfig, source: str, config: JudgeConfig
) -> Judgement:
    interactor = build(archive, (setup.interactor,), config.testlib)

    def run(program: Program) -> list[TestRun]:
        runs: list[TestRun] = []
        for index, case in enumerate(setup.cases):
            limits = _limits(case)
            theirs = replace(
                limits,
                cpu_seconds=4 * case.cpu_seconds,
                wall_seconds=4 * limits.wall_seconds,
                memory_mb=4 * case.memory_mb,
                stack_mb=4 * case.memory_mb,
            )
            files = {"in.txt": archive.read(case.input), "ans.txt": archive.read(case.answer)}
            names = ("in.txt", "tout.txt", "ans.txt")
            with at_test(index):
                runs.append(interact(program, interactor, files, names, limits, theirs, _accepts))
            if runs[-1].verdict != "accepted":
                break
        return runs

    return judge_built(source, OPTIONS, run)


def _accepts(exited: Exited) -> bool:
    return exited.status == 0


BENCHMARK = Benchmark(
    size=684,
    load=load,
    prompt=prompt,
    extract=lambda problem, response: extract(response),
    judge=judge,
    open_data=open_data,
    keys=("problem_id",),
    repositories=lambda config: (ROWS, TESTS),
    packages=("rbx",),
    words=WORDS,
)
