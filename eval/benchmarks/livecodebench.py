"""LiveCodeBench: contest problems in Python, by slice of the release or window of contest dates.

Source: hub data set livecodebench/code_generation_lite. A split is a slice (`test5`: what release 5
added) or a window of dates, both ends included (`2024-08-01..2025-02-01`, or `v5` and `v6` for the
windows of the TESSY paper). docs/judging.md lists what differs and why.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.benchmarks import Benchmark, Finder, Loaded, Unjudged
from eval.checkers.livecodebench import program, same_output, same_value
from eval.formats.pickled import packed_text
from eval.judge.spec import CompileOptions, Judgement, Limits, TestRun
from eval.published import Row, files_below, folder_of, indexed, row_at
from eval.submission import Suite, judge_program, judged
from tessy.config import BenchmarkConfig, JudgeConfig
from tessy.errors import DataError
from tessy.records import Message, Problem

REPOSITORY = "livecodebench/code_generation_lite"
WINDOWS = {"v5": ("2024-08-01", "2025-02-01"), "v6": ("2025-02-01", "2025-05-01")}
LIMITS = Limits(6, 20, 4096, 64 << 10, 64)
WORDS = {
    "accepted": "Accepted",
    "wrong_answer": "Wrong Answer",
    "time_limit": "Time Limit Exceeded",
    "memory_limit": "Runtime Error",
    "output_limit": "Runtime Error",
    "runtime_error": "Runtime Error",
    "compile_error": "Compile Error",
    "no_code": "No Code",
    "judge_fault": "Runner Error",
}
ERROR_CODES = {"wrong_answer": -2, "time_limit": -3, "judge_fault": -5, "accepted": None}

_SYSTEM = (
    "You are an expert Python programmer. You are given the statement of a problem and write a "
    "correct Python program that follows the statement and passes all tests."
)
_WITH_STARTER = "Complete the starter code below, and give the whole program in one code block."
_WITH_STDIN = (
    "Read the input from stdin and write the answer to stdout; do not run the program on the "
    "sample inputs yourself. Give the whole program in one code block, as below."
)


@dataclass(frozen=True)
class _Test:
    stdin: str
    expected: str


def load(config: BenchmarkConfig, seed: int) -> Loaded:
    """The problems of a slice or window, each once, in the order of the files.

    Raises:
        DataError: an unknown split.
        MissingError: the hub does not give the data set.
    """
    start, end = _window(config)
    pattern = "*.jsonl" if start or not config.split else f"{config.split}.jsonl"
    folder = folder_of(config.path, REPOSITORY, (pattern,))
    files = files_below(
        folder,
        pattern,
        mend=f"set benchmarks.{config.name}.split to a slice such as test5, or to a window such as "
        "2024-08-01..2025-02-01",
    )
    problems: dict[str, Problem] = {}
    unjudged: list[Unjudged] = []
    for place, row in indexed(files):
        try:
            if isinstance(row, DataError):
                raise row
            if start and not start <= row.text("contest_date")[:10] <= end:
                continue
            problem = _problem(row, place)
            problems.setdefault(problem.problem_id, problem)
        except DataError as error:
            name = row.where if isinstance(row, Row) else place.rpartition(":")[0]
            unjudged.append(Unjudged(name, str(error), counts=True))
    return Loaded(tuple(problems.values())[: config.problems or None], tuple(unjudged))


def prompt(problem: Problem) -> tuple[Message, ...]:
    """An expert's role, then question, format and answer; with starter code or with stdin."""
    starter = problem.metadata["starter_code"]
    form, code = (_WITH_STARTER, starter) if starter else (_WITH_STDIN, "# your program")
    return (
        Message("system", _SYSTEM),
        Message(
            "user",
            f"### Question\n{problem.prompt}\n\n### Format\n{form}\n```python\n{code}\n```\n\n"
            "### Answer (in the format above, with backticks)\n\n",
        ),
    )


def extract(response: str) -> str | None:
    """What stands between the last two lines that contain ```; None where there are fewer."""
    lines = response.split("\n")
    fences = [number for number, line in enumerate(lines) if "```" in line]
    return "\n".join(lines[fences[-2] + 1 : fences[-1]]) if len(fences) > 1 else None


def judge(problem: Problem, answer: str | None, config: JudgeConfig) -> Judgement:
    """Public tests first, then private ones; stops at the first that fails.

    Raises:
        SandboxError: programs cannot be isolated on this machine.
    """

    def once(source: str) -> Judgement:
        row = row_at(problem.data)
        tests, function = list(_tests(row)), _function(row)

        def judge_test(index: int, run: TestRun) -> str:
            output, expected = run.stdout.decode(errors="replace"), tests[index].expected
            if function:
                output = output.rstrip("\n").rpartition("\n")[2]
                return "" if same_value(output, expected) else "another value"
            return "" if same_output(output, expected) else "another output"

        suite = Suite(
            limits=[LIMITS] * len(tests),
            stdin=lambda index: tests[index].stdin.encode(),
            judge_test=judge_test,
            stops=True,
            accepts=_ended_well,
        )
        return judge_program(program(source, function), CompileOptions("python"), suite)

    return judged(answer, once)


def open_data(folder: Path) -> Finder:
    """Problems by `question_id`, from a folder of *.jsonl; bad lines hide no other."""
    found: dict[str, Problem] = {}
    bad: dict[str, DataError] = {}  # by the question, as far as its row says which
    for place, row in indexed(files_below(folder, "*.jsonl")):
        try:
            if isinstance(row, DataError):
                raise row
            problem = _problem(row, place)
            found.setdefault(problem.problem_id, problem)
        except DataError as error:
            name = row.values.get("question_id") if isinstance(row, Row) else ""
            bad.setdefault(str(name), error)

    def find(row: Mapping[str, Any]) -> Problem:
        name = str(row["question_id"])
        if name not in found:
            if name in bad:
                raise bad[name]
            also = f" (unreadable: {next(iter(bad.values()))})" if bad else ""
            raise DataError(f"question {name!r:.80} is not in {folder}{also}")
        return found[name]

    return find


def _window(config: BenchmarkConfig) -> tuple[str, str]:
    """First and last date; empty where the split is no window."""
    if config.split in WINDOWS:
        return WINDOWS[config.split]
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)\.\.(\d{4}-\d\d-\d\d)", config.split)
    return (found[1], found[2]) if found else ("", "")


def _problem(row: Row, place: str) -> Problem:
    _function(row)
    row.text("public_test_cases")
    row.text("private_test_cases")
    return Problem(
        row.text("question_id"),
        row.text("question_content"),
        difficulty=row.text("difficulty"),
        metadata={
            "title": row.text("question_title"),
            "platform": row.text("platform"),
            "contest_date": row.text("contest_date"),
            "starter_code": row.text("starter_code"),
            "split": Path(place.rsplit(":", 2)[0]).stem,
        },
        data=place,
    )


def _function(row: Row) -> str:
    """The name of the function that is called; empty where the program reads stdin."""
    where, text = f"{row.where}: metadata", row.text("metadata")
    try:
        metadata = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is not JSON ({error})", "download the file again") from None
    name = metadata.get("func_name") if isinstance(metadata, dict) else 0
    if name is None:
        return ""
    if not isinstance(name, str) or not name.isidentifier():
        raise DataError(f"{where}.func_name is {name!r:.80}, no name", "download the file again")
    return name


def _tests(row: Row) -> Iterator[_Test]:
    count = 0
    for field in ("public_test_cases", "private_test_cases"):
        where = f"{row.where}: {field}"
        text = row.text(field)
        if field.startswith("private") and not text.lstrip().startswith("["):
            text = packed_text(text, where)
        try:
            tests = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where} is not JSON ({error!s:.200})") from None
        if not isinstance(tests, list):
            raise DataError(f"{where} is no list of tests")
        for number, test in enumerate(tests):
            fields = test if isinstance(test, dict) else {}
            stdin, expected = fields.get("input"), fields.get("output")
            if not isinstance(stdin, str) or not isinstance(expected, str):
                raise DataError(f"{where}[{number}] lacks the text input or output")
            count += 1
            yield _Test(stdin, expected)
    if not count:
        raise DataError(f"{row.where} has no tests", "download the file again")


def _ended_well(run: TestRun) -> bool:
    """Leaving by sys.exit is no error to the public runner, whatever its status."""
    left = run.verdict == "runtime_error" and run.exit_code > 0
    silent = len(run.stderr) < 4096 and b"Traceback" not in run.stderr
    return run.verdict == "accepted" or (left and silent)


def _error_code(judgement: Judgement) -> dict[str, Any]:
    """The public runner's code: -2 wrong, -3 time, -4 error, -5 the runner failed."""
    return {"error_code": ERROR_CODES.get(judgement.verdict, -4)}


BENCHMARK = Benchmark(
    size=175,
    load=load,
    prompt=prompt,
    extract=lambda problem, response: extract(response),
    judge=judge,
    open_data=open_data,
    keys=("question_id",),
    repositories=lambda config: (REPOSITORY,),
    words=WORDS,
    extra=_error_code,
)
