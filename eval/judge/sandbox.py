"""Run untrusted programs in boxes: other user, no network, no host, measured limits.

A box serves one submission: it is made once, and each test is a process of its own in it that
starts clean. Needs Linux 5.12, and either root or user namespaces; no daemon, no Docker.

What it does not cover: a hole in the kernel itself (a virtual machine would), and side channels
between programs that run at the same time. On a machine without a memory cgroup, memory is
limited for each process, not for the sum of a program's processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import lru_cache

from eval.judge import boxes, go_judge
from eval.judge.alone import alone, beside_others
from eval.judge.boxes import WALL_STRETCH, Box, open_box
from eval.judge.go_judge import GoJudgeBox
from eval.judge.job import Job
from eval.judge.languages import PROGRAM, missing, setting_for
from eval.judge.launcher import find_launcher
from eval.judge.python_box import open_python_box
from eval.judge.spec import Limits, Program, TestRun
from eval.judge.trial import check_isolation
from eval.judge.verdicts import Reply, compile_error_run, test_run, verdict_of
from tessy.errors import SandboxError

__all__ = [
    "check_isolation",
    "open_checker",
    "run_checker",
    "run_interactive",
    "run_python",
    "run_tests",
]

StopAfter = Callable[[int, TestRun], bool]

# Beside others a program may need more CPU time than alone: their data pushes its own out of the
# caches. So it gets some more, and if it ends in there, it is run again without company.
_NEAR = 1.25
_CODE_KB = 16 << 10  # of code that a source may compile to
_CHECKED_MB = 256  # of files that a checker's box is made for


def run_tests(
    program: Program,
    stdins: Sequence[bytes],
    limits: Limits,
    stop_after: StopAfter | None = None,
) -> list[TestRun]:
    """Run a program on each stdin in turn, in one box.

    Args:
        stop_after: called with the index and result of each test; true ends the submission.

    Returns:
        A result a test, up to where it was stopped. A Python program that does not compile has a
        single result, with verdict "compile_error".

    Raises:
        SandboxError: the judge failed, not the program; nothing is known about the program.
    """
    with _open(program, limits) as (run, error):
        if error is not None:
            return [error]
        runs = []
        for index, stdin in enumerate(stdins):
            runs.append(_measured(run, stdin, limits))
            if stop_after is not None and stop_after(index, runs[-1]):
                break
        return runs


def run_python(
    source: str, stdins: Sequence[str], limits: Limits, stop_after: StopAfter | None = None
) -> list[TestRun]:
    """`run_tests` for CPython source and text."""
    program = Program("python", source)
    return run_tests(program, [stdin.encode() for stdin in stdins], limits, stop_after)


Check = Callable[[Mapping[str, bytes], Sequence[str]], TestRun]  # of files and arguments


@contextmanager
def open_checker(checker: Program, limits: Limits) -> Iterator[Check]:
    """A compiled checker in one box for all tests of a submission; it starts clean each time.

    What is yielded is called with files by their names, and arguments; the `exit_code` of its
    result is the checker's opinion, and `stderr` has its reasons.

    Raises:
        SandboxError: the judge failed.
    """
    roomy = _with_room(limits, _CHECKED_MB)
    with _box_for(checker, roomy) as box:

        def check(files: Mapping[str, bytes], arguments: Sequence[str]) -> TestRun:
            if _size_mb(files) > _CHECKED_MB:
                return run_checker(checker, files, arguments, limits)
            with beside_others():
                reply = box.run(Job([PROGRAM, *arguments], files=files), roomy)
            return test_run(reply, limits)

        yield check


def run_checker(
    checker: Program, files: Mapping[str, bytes], arguments: Sequence[str], limits: Limits
) -> TestRun:
    """Run a compiled checker once, in a box that is large enough for its files.

    Raises:
        SandboxError: the judge failed.
    """
    roomy = _with_room(limits, _size_mb(files))
    with _box_for(checker, roomy) as box, beside_others():
        return test_run(box.run(Job([PROGRAM, *arguments], files=files), roomy), limits)


def run_interactive(
    program: Program,
    interactor: Program,
    files: Mapping[str, bytes],
    arguments: Sequence[str],
    limits: Limits,
    interactor_limits: Limits,
) -> tuple[TestRun, TestRun]:
    """Run a program against an interactor, each one's stdout being the other one's stdin.

    Args:
        files: what the interactor finds in its folder; the program has a box of its own.
        arguments: of the interactor.

    Returns:
        The program's run and the interactor's; a Python program that does not compile has not met
        its interactor: then both are "compile_error".

    Raises:
        SandboxError: the judge failed.
    """
    theirs = _with_room(interactor_limits, _size_mb(files))
    # It has nothing to do while the program works, however long that takes on a busy machine.
    patience = interactor_limits.wall_seconds + WALL_STRETCH * limits.wall_seconds
    theirs = replace(theirs, wall_seconds=patience)
    with _box_for(program, limits) as box, _box_for(interactor, theirs) as other:
        job, error = _first_job(box, program, limits)
        if error is not None:
            return error, error

        jobs = job, Job([PROGRAM, *arguments], files=files, no_sigpipe=True)
        with beside_others():
            mine, opinion = _meet((box, other), jobs, (_loosened(limits), theirs))
        repeated = _is_near(mine, limits)
        if repeated:
            with alone():
                mine, opinion = _meet((box, other), jobs, (limits, theirs))
        return test_run(mine, limits, repeated), test_run(opinion, interactor_limits)


Run = Callable[[bytes, Limits], Reply]
AnyBox = Box | GoJudgeBox


def _meet(
    pair: tuple[AnyBox, AnyBox], jobs: tuple[Job, Job], limits: tuple[Limits, Limits]
) -> tuple[Reply, Reply]:
    one, two = pair
    if isinstance(one, Box) and isinstance(two, Box):
        return boxes.meet((one, two), jobs, limits)
    assert isinstance(one, GoJudgeBox) and isinstance(two, GoJudgeBox), "boxes are of one kind"
    return go_judge.meet((one, two), jobs, limits)


@contextmanager
def _open(program: Program, limits: Limits) -> Iterator[tuple[Run, TestRun | None]]:
    """A function that runs one test of a program; or why the program does not compile."""
    isolation = check_isolation()
    python_only = find_launcher() is None and isolation.kind != "go-judge"
    if python_only and program.language == "python":
        with open_python_box(isolation, limits) as ask:
            built = ask("compile", program.source.encode(errors="surrogatepass"), b"")
            # That box enforces the limits that it was made with.
            yield lambda stdin, _: ask("run", built.stdout, stdin), _refusal(built, limits)
        return
    with _box_for(program, limits) as box:
        job, error = _first_job(box, program, limits)
        yield lambda stdin, now: box.run(replace(job, stdin=stdin), now), error


def _box_for(program: Program, limits: Limits) -> AbstractContextManager[AnyBox]:
    isolation = check_isolation()
    lacking = missing(program.language, isolation)
    if lacking:
        raise SandboxError(f"{program.language} programs cannot be judged", f"they need {lacking}")
    return open_box(isolation, setting_for(program, limits, isolation))


def _first_job(box: AnyBox, program: Program, limits: Limits) -> tuple[Job, TestRun | None]:
    """How the box runs the program: compiled before, or from code that is compiled here."""
    if program.path is not None:
        return Job([PROGRAM]), None
    source = program.source.encode(errors="surrogatepass")
    with beside_others():
        built = box.run(Job(program=source, compiles=True), replace(limits, output_kb=_CODE_KB))
    return Job(program=built.stdout), _refusal(built, limits)


def _refusal(built: Reply, limits: Limits) -> TestRun | None:
    return compile_error_run(built, limits) if verdict_of(built, limits)[0] != "accepted" else None


def _measured(run: Run, stdin: bytes, limits: Limits) -> TestRun:
    with beside_others():
        reply = run(stdin, _loosened(limits))
    if not _is_near(reply, limits):
        return test_run(reply, limits)
    with alone():
        return test_run(run(stdin, limits), limits, repeated=True)


@lru_cache(maxsize=16)
def _loosened(limits: Limits) -> Limits:
    return replace(limits, cpu_seconds=_NEAR * limits.cpu_seconds)


def _is_near(reply: Reply, limits: Limits) -> bool:
    """Whether the neighbours, rather than the program, may have decided."""
    if reply.reason == "wall":
        return reply.cpu > limits.cpu_seconds / 2
    return not reply.reason and limits.cpu_seconds < reply.cpu <= _NEAR * limits.cpu_seconds


def _with_room(limits: Limits, size_mb: int) -> Limits:
    """Room for the judge's own files, which are not the program's."""
    return replace(limits, memory_mb=limits.memory_mb + size_mb, files_mb=limits.files_mb + size_mb)


def _size_mb(files: Mapping[str, bytes]) -> int:
    return (sum(map(len, files.values())) >> 20) + 1
