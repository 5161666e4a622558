"""What a judge is asked and what it answers, apart from how programs are isolated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from tessy.config import JudgeConfig
from tessy.records import Verdict


@dataclass(frozen=True)
class Limits:
    """What one test of a program may use. All of them are enforced from outside the program."""

    cpu_seconds: float  # of all its processes together
    wall_seconds: float  # only a guard against sleeping: CPU time is what is judged
    memory_mb: int  # MiB, all its processes and files together where a cgroup measures them
    output_kb: int  # KiB of stdout and stderr together
    processes: int  # processes and threads alive at once

    @classmethod
    def of(cls, config: JudgeConfig) -> Self:
        """The limits of a configuration; the clock is generous, since machines are loaded."""
        return cls(
            cpu_seconds=config.cpu_seconds,
            wall_seconds=3 * config.cpu_seconds + 2,
            memory_mb=config.memory_mb,
            output_kb=config.output_kb,
            processes=config.processes,
        )


@dataclass(frozen=True)
class TestRun:
    """One program on one stdin. `verdict` "accepted" means that it ended well, not that its
    output is right: the sandbox never sees the expected output."""

    __test__ = False  # not a test class, whatever pytest thinks of the name

    verdict: Verdict
    cpu_ms: float
    wall_ms: float
    memory_kb: int
    stdout: str
    message: str = ""


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
