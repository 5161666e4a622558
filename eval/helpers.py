"""Run a problem's own programs: checkers and interactors, compiled once and boxed like submissions.

Their failures are faults of the judge, never verdicts: only an exit by themselves says something.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from eval.checkers import testlib
from eval.checkers.testlib import Exited
from eval.formats.archive import Archive
from eval.judge.compiler import compile_program
from eval.judge.sandbox import open_checker, run_interactive
from eval.judge.spec import CompileError, CompileOptions, Limits, Program, TestRun
from tessy.errors import SandboxError

_COMPILE_LIMITS = Limits(60, 120, 2048, 256, 32, files_mb=256)  # testlib.h costs seconds
_BESIDE = frozenset({"time_limit", "memory_limit", "output_limit"})


@dataclass(frozen=True)
class Referee:
    """A checker or an interactor of a problem, compiled."""

    program: Program
    name: str  # its source, for errors


def build(
    archive: Archive,
    files: Sequence[str],
    testlib_folder: str,
    flags: tuple[str, ...] = ("-O2", "-pipe"),
    standard: str = "gnu++17",
) -> Referee:
    """Compile a problem's own program; cached by its contents.

    Args:
        files: its source in the archive, then its headers.
        testlib_folder: where testlib.h is taken from if the problem does not bring it.

    Raises:
        SandboxError: it does not compile.
        DataError: a file cannot be read.
        MissingError: it needs testlib.h, which is nowhere.
    """
    source, *headers = (archive.read(name).decode(errors="replace") for name in files)
    beside = {PurePosixPath(name).name: text for name, text in zip(files[1:], headers, strict=True)}
    if testlib.HEADER in source and testlib.HEADER not in beside:
        own = archive.has(testlib.HEADER)
        data = archive.read(testlib.HEADER) if own else testlib.header(testlib_folder)
        beside[testlib.HEADER] = data.decode(errors="replace")
    options = CompileOptions(
        "cpp", flags, standard, headers=tuple(sorted(beside.items())), limits=_COMPILE_LIMITS
    )
    program = compile_program(source, options)
    name = archive.place(files[0])
    if isinstance(program, CompileError):
        raise SandboxError(
            f"{name} does not compile ({program.message:.300})",
            "look at the problem; the answer was not judged",
        )
    return Referee(program, name)


Check = Callable[[Mapping[str, bytes], Sequence[str]], Exited]  # of files and arguments


@contextmanager
def open_check(checker: Referee, limits: Limits) -> Iterator[Check]:
    """A function that tells how a checker judged files, for all tests of a submission.

    Raises:
        SandboxError: the checker crashed or exceeded a limit.
    """
    with open_checker(checker.program, limits) as run:
        yield lambda files, arguments: _exited(run(files, arguments), checker.name)


def interact(
    program: Program,
    interactor: Referee,
    files: Mapping[str, bytes],
    arguments: Sequence[str],
    limits: Limits,
    interactor_limits: Limits,
    accepts: Callable[[Exited], bool],
) -> TestRun:
    """How a program fared in talking to an interactor.

    A program that broke a limit has that verdict; else the interactor's word decides, also about a
    program that ended badly because the interactor had left.

    Raises:
        SandboxError: the interactor crashed; or it broke a limit or said what is no verdict, and
            the program did nothing wrong.
    """
    mine, theirs = run_interactive(
        program, interactor.program, files, arguments, limits, interactor_limits
    )
    if mine.verdict in _BESIDE:
        return mine
    crashed = theirs.verdict == "runtime_error" and theirs.exit_code < 0
    try:
        exited = _exited(theirs, interactor.name)
        right = accepts(exited)
    except SandboxError:
        # Who waits in vain for a program may well exceed a limit; but to crash is its own fault.
        if mine.verdict != "accepted" and not crashed:
            return mine
        raise
    if not right:
        said = (exited.stderr or exited.stdout).decode(errors="replace").strip()
        return replace(mine, verdict="wrong_answer", message=said[:300] or "the interactor says so")
    return mine


def _exited(run: TestRun, name: str) -> Exited:
    if run.verdict not in ("accepted", "runtime_error") or run.exit_code < 0:
        raise SandboxError(
            f"{name} failed itself ({run.verdict}: {run.message:.300})",
            "look at the problem; the answer was not judged",
        )
    return Exited(run.exit_code, run.stdout, run.stderr, name)
