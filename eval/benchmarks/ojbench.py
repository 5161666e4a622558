"""OJBench: 232 problems of NOI and ICPC in C++ and Python, judged like DMOJ's judge-server.

Source: hub data set He-Ren/OJBench_testdata and the package `ojbench`. docs/judging.md lists what
differs and why.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from eval.benchmarks import Benchmark, Finder, Loaded, Unjudged
from eval.checkers import module
from eval.checkers.dmoj import find_checker, normalize
from eval.checkers.testlib import PROTOCOLS
from eval.formats.archive import Archive
from eval.formats.dmoj_init import Case, Helper, ProblemInit, open_problem
from eval.helpers import Check, Referee, build, interact, open_check
from eval.judge.spec import CompileOptions, Judgement, Limits, Program, TestRun
from eval.published import Row, folder_of, readable_folder, rows
from eval.submission import Suite, at_test, judge_built, judge_program, judged
from tessy.config import BenchmarkConfig, JudgeConfig
from tessy.errors import DataError
from tessy.records import Message, Problem

REPOSITORY = "He-Ren/OJBench_testdata"
PROMPTS = "prompts/full.jsonl"
SKIPPED = frozenset({"nwerc2023_H", "swerc2023_L", "loj-3897"})  # by the published package
RATIOS = {"1/8": 1 / 8, "1/4": 1 / 4, "1/2": 1 / 2}
_FLAGS = ("-Wall", "-DONLINE_JUDGE", "-O2", "-lm", "-march=native", "-fmax-errors=5", "-s")
OPTIONS = {
    "cpp": CompileOptions("cpp", _FLAGS, "c++17"),
    "python": CompileOptions("pypy"),
}
WORDS = {
    "accepted": "AC",
    "wrong_answer": "WA",
    "runtime_error": "RTE",
    "time_limit": "TLE",
    "memory_limit": "MLE",
    "output_limit": "OLE",
    "compile_error": "CE",
    "judge_fault": "IE",
}
_SECONDS, _MEMORY_MB, _PROCESSES = 10.0, 1024, 64


def load(config: BenchmarkConfig, seed: int) -> Loaded:
    """The problems in one language; `split` names a data set (NOI, ICPC), empty is both.

    What the published package skips is left out of the score; what we cannot judge is not.
    """
    folder = folder_of(config.path, REPOSITORY, ("*",))
    problems: list[Problem] = []
    unjudged: list[Unjudged] = []
    asked = 0
    for row in rows(folder / "prompts", "full"):
        try:
            if isinstance(row, DataError):
                raise row
            if row.text("language") != config.language:
                continue
            if config.split and row.text("dataset") != config.split:
                continue
            asked += 1
            if config.problems and asked > config.problems:
                break
            problems.append(_problem(row, folder))
        except DataError as error:
            name = "" if isinstance(row, DataError) else _name(row.values.get("id"))
            where = error.what.split(" ")[0] if isinstance(row, DataError) else row.where
            values = {} if isinstance(row, DataError) else row.values
            part = str(values.get("difficulty") or ""), str(values.get("dataset") or "")
            unjudged.append(Unjudged(name or where, str(error), name not in SKIPPED, *part))
    return Loaded(tuple(problems), tuple(unjudged))


def prompt(problem: Problem) -> tuple[Message, ...]:
    """The published prompt, which names the language and the format."""
    return (Message("user", problem.prompt),)


def extract(problem: Problem, response: str) -> str:
    """What follows the last ```LANGUAGE line, up to a line that starts with ```.

    Without such a line it is the whole response. Python that defines `main` and never calls it
    gets a call at its end.
    """
    language = problem.metadata["language"]
    code = response.split(f"```{language}\n")[-1].split("\n```")[0]
    if language == "python" and code.count("def main():") == code.count("main()") == 1:
        code += "\nmain()"
    return code


def judge(problem: Problem, answer: str | None, config: JudgeConfig) -> Judgement:
    """All tests are run; the verdict is the first failing test's.

    Raises:
        SandboxError: programs cannot be isolated on this machine.
    """

    def once(source: str) -> Judgement:
        archive, setup = open_problem(Path(problem.data))
        options = OPTIONS[problem.metadata["language"]]
        with archive, ExitStack() as boxes:
            tests = _Tests(archive, setup, config, boxes)
            if setup.interactive:
                interactor = _build(archive, setup.interactive, config)
                run = _meeting(setup.interactive, interactor, setup.cases, tests)
                return judge_built(source, options, run)
            return judge_program(source, options, tests.suite())

    return judged(answer, once)


def partial_verdicts(judgement: Judgement) -> dict[str, Any]:
    """The verdict on the first eighth, quarter and half of the tests, and on all of them."""
    verdicts = [run.verdict for run in judgement.runs]
    failing = next((i for i, v in enumerate(verdicts) if v != "accepted"), len(verdicts))
    fields: dict[str, Any] = {}
    for name, ratio in RATIOS.items():
        passed = judgement.passed or (bool(verdicts) and failing >= round(len(verdicts) * ratio))
        verdict = "accepted" if passed else judgement.verdict
        fields[f"{name}verdict"] = WORDS[verdict]
        fields[f"{name}is_passed"] = passed
    return fields


def open_data(folder: Path) -> Finder:
    """Problems by `id` and `language`, from the folder OJBench_testdata."""

    def find(row: Mapping[str, Any]) -> Problem:
        language = row["language"]
        if language not in OPTIONS:
            raise DataError(f"language {language!r:.80} is not one of {', '.join(OPTIONS)}")
        return _located(row["id"], str(language), folder)

    return find


def _name(number_or_name: Any) -> str:
    """The folder of a problem: an integer is a number of NOI."""
    return f"loj-{number_or_name}" if isinstance(number_or_name, int) else str(number_or_name)


def _located(number_or_name: Any, language: str, folder: Path) -> Problem:
    name = _name(number_or_name)
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise DataError(f"id {number_or_name!r:.80} is no problem of OJBench")
    if name in SKIPPED:
        raise DataError(f"problem {name} is skipped", "the published package skips it as well")
    place = folder / ("NOI" if name.startswith("loj-") else "ICPC") / name
    readable_folder(place, "download the test data again")
    return Problem(name, "", metadata={"language": language}, data=str(place))


def _problem(row: Row, folder: Path) -> Problem:
    located = _located(row.values.get("id"), row.text("language"), folder)
    archive, _ = open_problem(Path(located.data))
    archive.close()
    return Problem(
        located.problem_id,
        row.text("prompt"),
        difficulty=row.text("difficulty"),
        metadata={"language": row.text("language"), "split": row.text("dataset")},
        data=located.data,
    )


def _limits(case: Case) -> Limits:
    return Limits(
        cpu_seconds=_SECONDS,
        wall_seconds=case.wall_factor * _SECONDS,
        memory_mb=_MEMORY_MB,
        output_kb=(case.output_bytes + 1023) // 1024,
        processes=_PROCESSES,
    )


class _Tests:
    """The tests of a problem, with its checkers: each is compiled and boxed at most once."""

    def __init__(
        self, archive: Archive, setup: ProblemInit, config: JudgeConfig, boxes: ExitStack
    ) -> None:
        self._archive, self._cases, self._config = archive, setup.cases, config
        self._boxes, self._checks = boxes, dict[Helper, Check]()

    def suite(self) -> Suite:
        limits = [_limits(case) for case in self._cases]
        return Suite(limits, self.stdin, self._judge_test, stops=False)

    def stdin(self, index: int) -> bytes:
        return self._data(index, self._cases[index].input)

    def answer(self, index: int) -> bytes:
        return self._data(index, self._cases[index].answer)

    def _data(self, index: int, name: str) -> bytes:
        data = self._archive.read(name) if name else b""
        return data if self._cases[index].binary else normalize(data)

    def _judge_test(self, index: int, run: TestRun) -> str:
        how = self._cases[index].check
        if how.helper:
            return self._bridged(index, run, how.helper)
        if how.module:
            right = module.check(
                self._archive.read(how.module),
                self._archive.place(how.module),
                how.arguments,
                output=run.stdout,
                answer=self.answer(index),
                stdin=self.stdin(index),
            )
        else:
            right = find_checker(how.name, how.arguments)(run.stdout, self.answer(index))
        return "" if right else f"{how.module or how.name} rejects the output"

    def _bridged(self, index: int, run: TestRun, helper: Helper) -> str:
        if helper not in self._checks:
            checker = _build(self._archive, helper, self._config)
            limits = Limits(helper.cpu_seconds, 3 * helper.cpu_seconds, helper.memory_mb, 4096, 8)
            self._checks[helper] = self._boxes.enter_context(open_check(checker, limits))
        files = {
            "input.txt": self.stdin(index),
            "output.txt": run.stdout,
            "answer.txt": self.answer(index),
        }
        protocol = PROTOCOLS[helper.kind]
        arguments = _arguments(helper.arguments or protocol.checker_arguments)
        exited = self._checks[helper](files, arguments)
        if protocol.accepts(exited):
            return ""
        said = (exited.stderr or exited.stdout).decode(errors="replace").strip()
        return said[:300] or "the checker rejects the output"


def _meeting(
    helper: Helper, interactor: Referee, cases: Sequence[Case], tests: _Tests
) -> Callable[[Program], list[TestRun]]:
    """A function that lets a program meet the interactor on every test."""
    protocol = PROTOCOLS[helper.kind]
    seconds = helper.preprocessing_seconds + _SECONDS
    theirs = Limits(seconds, 3 * seconds + 5, helper.memory_mb, 65536, 8)
    arguments = _arguments(helper.arguments or protocol.interactor_arguments)

    def run(program: Program) -> list[TestRun]:
        runs = []
        for index, case in enumerate(cases):
            files = {"input.txt": tests.stdin(index), "answer.txt": tests.answer(index)}
            limits, accepts = _limits(case), protocol.accepts
            with at_test(index):
                runs.append(
                    interact(program, interactor, files, arguments, limits, theirs, accepts)
                )
        return runs

    return run


def _build(archive: Archive, helper: Helper, config: JudgeConfig) -> Referee:
    flags = (*helper.flags, "-O2", "-DONLINE_JUDGE")
    return build(archive, helper.files, config.testlib, flags, helper.standard)


def _arguments(template: str) -> Sequence[str]:
    return shlex.split(
        template.format(input_file="input.txt", output_file="output.txt", answer_file="answer.txt")
    )


BENCHMARK = Benchmark(
    size=232,
    load=load,
    prompt=prompt,
    extract=extract,
    judge=judge,
    open_data=open_data,
    keys=("id", "language"),
    repositories=lambda config: (REPOSITORY,),
    words=WORDS,
    extra=partial_verdicts,
)
