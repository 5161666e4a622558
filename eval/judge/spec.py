"""What a judge is asked and what it answers, apart from how programs are isolated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from tessy.config import JudgeConfig
from tessy.records import Verdict

Language = Literal["cpp", "pypy", "python"]


@dataclass(frozen=True)
class Limits:
    """What one test of a program may use. All of them are enforced from outside the program."""

    cpu_seconds: float  # of all its processes together
    wall_seconds: float  # only a guard against sleeping: CPU time is what is judged
    memory_mb: int  # MiB, all its processes and files together where a cgroup measures them
    output_kb: int  # KiB of stdout and stderr together
    processes: int  # processes and threads alive at once
    stack_mb: int = 0  # MiB of the main thread's stack; 0: as much as memory
    files_mb: int = 64  # MiB of all files in /tmp, and of each single one; part of memory
    address_space_mb: int = 0  # MiB of each process, used or not; 0: only what is used counts

    @classmethod
    def of(cls, config: JudgeConfig) -> Self:
        """The limits of a configuration; the clock is generous, since machines are loaded."""
        return cls(
            cpu_seconds=config.cpu_seconds,
            wall_seconds=3 * config.cpu_seconds + 2,
            memory_mb=config.memory_mb,
            output_kb=config.output_kb,
            processes=config.processes,
            stack_mb=64,
        )


COMPILE_LIMITS = Limits(10, 30, 512, 64, 16, files_mb=128)  # LiveCodeBench-Pro's, for C++


@dataclass(frozen=True)
class CompileOptions:
    """How a source text becomes a program. Only C++ has flags, a standard and headers.

    `headers`: files beside the source, such as ("testlib.h", its text).
    """

    language: Language
    flags: tuple[str, ...] = ()  # as a benchmark spells them: ("-O2", "-pipe")
    standard: str = "gnu++17"
    headers: tuple[tuple[str, str], ...] = ()
    limits: Limits = COMPILE_LIMITS


@dataclass(frozen=True)
class Program:
    """Something to run: as a submission, a checker or an interactor.

    `path` is a C++ program's binary in the cache. Python programs are compiled in the box that
    runs them, for each submission anew: byte code is not kept.
    """

    language: Language
    source: str
    path: Path | None = None


@dataclass(frozen=True)
class CompileError:
    """A source text that is no program; the compiler's message, trimmed."""

    message: str
    cpu_ms: float = 0.0


@dataclass(frozen=True)
class TestRun:
    """One program on one stdin. `verdict` "accepted" means that it ended well, not that its
    output is right: the sandbox never sees the expected output."""

    __test__ = False  # not a test class, whatever pytest thinks of the name

    verdict: Verdict
    cpu_ms: float
    wall_ms: float
    memory_kb: int
    stdout: bytes
    message: str = ""
    exit_code: int = 0  # of the first process; negative: the signal that ended it
    stderr: bytes = b""  # the last 4 KiB
    repeated: bool = False  # it came near its time limit, so it was run again, alone


@dataclass(frozen=True)
class Judgement:
    """A submission, judged: the first failing test's verdict, or "accepted"."""

    verdict: Verdict
    message: str = ""
    runs: tuple[TestRun, ...] = ()  # up to and with the first failing test
    retried: int = 0  # faults of the judge itself, after which it tried again

    @property
    def passed(self) -> bool:
        return self.verdict == "accepted"
