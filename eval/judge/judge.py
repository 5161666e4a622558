"""Judge a submission: run it on a problem's tests, compare, stop at the first that fails."""

from __future__ import annotations

from dataclasses import replace

from eval.judge.sandbox import check_isolation, run_python
from eval.judge.spec import Judgement, Limits, TestRun
from tessy.errors import SandboxError
from tessy.records import Problem


def judge(problem: Problem, source: str | None, limits: Limits) -> Judgement:
    """The verdict on one submission.

    A fault of the judge is tried again once, in a new box; a second one is the verdict
    "judge_fault", never a wrong answer.

    Args:
        source: the program, or None where the response holds none ("no_code").

    Raises:
        SandboxError: programs cannot be isolated on this machine.
    """
    if source is None:
        return Judgement("no_code", "the response holds no closed code block")
    check_isolation()
    for attempt in range(2):
        try:
            return replace(_judge_once(problem, source, limits), retried=attempt)
        except SandboxError as error:
            fault = str(error)
    return Judgement("judge_fault", fault, retried=1)


def same_output(stdout: str, expected: str) -> bool:
    """Whether two outputs agree line by line, token by token.

    White space at the ends of the output and of each line does not count, and runs of it
    within a line are equal; `1` is not `1.0`.
    """
    return [line.split() for line in stdout.strip().splitlines()] == [
        line.split() for line in expected.strip().splitlines()
    ]


def _judge_once(problem: Problem, source: str, limits: Limits) -> Judgement:
    def failed(index: int, run: TestRun) -> bool:
        return run.verdict != "accepted" or not same_output(
            _text(run), problem.tests[index].expected
        )

    runs = run_python(source, [test.stdin for test in problem.tests], limits, failed)
    last, number = len(runs) - 1, len(problem.tests)
    if runs[last].verdict == "compile_error":
        return Judgement("compile_error", runs[last].message, tuple(runs))
    if runs[last].verdict != "accepted":
        message = f"test {last + 1} of {number}: {runs[last].message}"
        return Judgement(runs[last].verdict, message, tuple(runs))
    if failed(last, runs[last]):
        runs[last] = replace(runs[last], verdict="wrong_answer", message="another output")
        message = f"test {last + 1} of {number}: {_difference(problem, last, _text(runs[last]))}"
        return Judgement("wrong_answer", message, tuple(runs))
    return Judgement("accepted", "", tuple(runs))


def _text(run: TestRun) -> str:
    return run.stdout.decode(errors="replace")


def _difference(problem: Problem, index: int, stdout: str) -> str:
    """The first line that differs."""
    got, want = stdout.strip().splitlines(), problem.tests[index].expected.strip().splitlines()
    for line, (mine, theirs) in enumerate(zip(got, want, strict=False), 1):
        if mine.split() != theirs.split():
            return f"line {line} is {mine.strip()!r:.80}, not {theirs.strip()!r:.80}"
    return f"{len(got)} lines, not {len(want)}"
