"""Judge one program on the tests of a problem: run, check, stop where the benchmark stops."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import overload

from eval.judge.compiler import compile_program
from eval.judge.sandbox import check_isolation, run_tests
from eval.judge.spec import CompileError, CompileOptions, Judgement, Limits, Program, TestRun
from tessy.errors import DataError, SandboxError

_KEPT_BYTES = 64 << 20  # of outputs at once, until the next box


@dataclass(frozen=True)
class Suite:
    """The tests of a problem, read as they are needed.

    `judge_test` gets a test's index and how the program ended on it, and says what is wrong: ""
    for a right output, else a sentence. It is asked only about programs that ended well.
    """

    limits: Sequence[Limits]  # of each test
    stdin: Callable[[int], bytes]
    judge_test: Callable[[int, TestRun], str]
    stops: bool  # at the first failing test
    # How the program ended well, by the benchmark; some count any exit, whatever its status.
    accepts: Callable[[TestRun], bool] = lambda run: run.verdict == "accepted"


def judge_program(source: str, options: CompileOptions, suite: Suite) -> Judgement:
    """The verdict on a program that is to pass all tests of a suite.

    Raises:
        SandboxError: the judge failed, or a program of the problem; nothing is known.
        DataError: the tests cannot be read.
    """
    return judge_built(source, options, lambda program: _run_suite(program, suite))


def judge_built(
    source: str,
    options: CompileOptions,
    run: Callable[[Program], Sequence[TestRun]],
) -> Judgement:
    """Compile a program, have `run` try it on all tests, and sum up."""
    program = compile_program(source, options)
    if isinstance(program, CompileError):
        return Judgement("compile_error", program.message)
    return _summary(run(program))


def judged(source: str | None, judge: Callable[[str], Judgement]) -> Judgement:
    """The verdict of `judge` on a program, `with_retry`; "no_code" where a response holds none.

    Raises:
        SandboxError: programs cannot be isolated on this machine.
    """
    if source is None:
        return Judgement("no_code", "the response holds no program")
    check_isolation()
    return with_retry(lambda: judge(source))


def with_retry(judge: Callable[[], Judgement]) -> Judgement:
    """A judgement; a fault of the judge, or of the test data, is tried again once.

    A second one is the verdict "judge_fault", never a wrong answer.
    """
    for attempt in range(2):
        try:
            return replace(judge(), retried=attempt)
        except (SandboxError, DataError) as error:
            fault = str(error)
    return Judgement("judge_fault", fault, retried=1)


@contextmanager
def at_test(index: int) -> Iterator[None]:
    """A fault of the judge in here names the test."""
    try:
        yield
    except SandboxError as error:
        raise SandboxError(f"test {index + 1}: {error.what}", error.mend) from None


def _summary(runs: Sequence[TestRun]) -> Judgement:
    for index, run in enumerate(runs):
        if run.verdict == "compile_error":  # found where it is run, as Python's
            return Judgement("compile_error", run.message)
        if run.verdict != "accepted":
            message = f"test {index + 1}: {run.message}"
            return Judgement(run.verdict, message, tuple(runs))
    return Judgement("accepted", "", tuple(runs))


class _Stdins(Sequence[bytes]):
    """Inputs of the tests from `start` to `end`, read when they are asked for."""

    def __init__(self, suite: Suite, start: int, end: int) -> None:
        self._suite, self._start, self._end = suite, start, end

    def __len__(self) -> int:
        return self._end - self._start

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self._suite.stdin(self._start + index)


def _run_suite(program: Program, suite: Suite) -> list[TestRun]:
    """How the program fared, up to where it was stopped; outputs are judged and dropped."""
    runs: list[TestRun] = []
    while len(runs) < len(suite.limits):
        start = len(runs)
        limits = suite.limits[start]
        end = start
        while end < len(suite.limits) and suite.limits[end] == limits:
            end += 1
        kept = 0

        def stop(index: int, run: TestRun) -> bool:
            nonlocal kept
            kept += len(run.stdout)
            runs.append(_judged(suite, len(runs), run))
            return _is_over(suite, runs) or kept > _KEPT_BYTES

        returned = run_tests(program, _Stdins(suite, start, end), limits, stop)
        if returned[-1].verdict == "compile_error":
            return [returned[-1]]
        if _is_over(suite, runs):
            break
    return runs


def _is_over(suite: Suite, runs: Sequence[TestRun]) -> bool:
    return suite.stops and runs[-1].verdict != "accepted"


def _judged(suite: Suite, index: int, run: TestRun) -> TestRun:
    wrong = ""
    if suite.accepts(run):
        with at_test(index):
            wrong = suite.judge_test(index, run)
        run = replace(run, verdict="wrong_answer" if wrong else "accepted", message=wrong)
    return replace(run, stdout=b"", stderr=b"")
