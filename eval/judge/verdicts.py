"""From what a box measured to a verdict."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from typing import Literal

from eval.judge.spec import Limits, TestRun
from tessy.records import Verdict

Reason = Literal["", "cpu", "wall", "output", "setup"]


@dataclass(frozen=True)
class Reply:
    """One run in a box, as its process 1 reports it."""

    reason: Reason  # why it was stopped; "" if it ended by itself
    status: int  # exit code of the first process, negative for a signal
    cpu: float  # seconds, of all its processes
    wall: float  # seconds
    memory_kb: int
    oom: int  # how often the kernel killed for memory
    stdout: bytes
    stderr: bytes  # its end
    collected: bytes = b""  # the file that was asked for


def test_run(reply: Reply, limits: Limits, repeated: bool = False) -> TestRun:
    verdict, message = verdict_of(reply, limits)
    return TestRun(
        verdict=verdict,
        cpu_ms=1000 * reply.cpu,
        wall_ms=1000 * reply.wall,
        memory_kb=reply.memory_kb,
        stdout=reply.stdout,
        message=message,
        exit_code=reply.status,
        stderr=reply.stderr,
        repeated=repeated,
    )


def compile_error_run(reply: Reply, limits: Limits) -> TestRun:
    verdict, message = verdict_of(reply, limits)
    if verdict != "runtime_error":
        message = f"compilation needs {message}"
    return TestRun("compile_error", 1000 * reply.cpu, 1000 * reply.wall, 0, b"", message)


def verdict_of(reply: Reply, limits: Limits) -> tuple[Verdict, str]:
    """Verdict and message. Memory goes before time: a program that swaps is slow as well."""
    reason, status = reply.reason, reply.status
    last = _last_line(reply.stderr)
    if reply.oom or (status and _out_of_memory(last)):
        return "memory_limit", f"more than {limits.memory_mb} MiB"
    if reason == "output":
        return "output_limit", f"more than {limits.output_kb} KiB of output"
    if reason == "wall":
        return "time_limit", f"not done after {limits.wall_seconds:g} s"
    if reason == "cpu" or status == -signal.SIGXCPU or reply.cpu > limits.cpu_seconds:
        return "time_limit", f"more than {limits.cpu_seconds:g} s of CPU time"
    if status < 0:
        return "runtime_error", f"killed by {signal_name(-status)}"
    if status:
        return "runtime_error", last or f"exit status {status}"
    return "accepted", ""


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _out_of_memory(last: str) -> bool:
    """What CPython, and C++ programs where memory is not measured but bounded, end with."""
    return last.startswith("MemoryError") or "std::bad_alloc" in last


def _last_line(stderr: bytes) -> str:
    """The last line that says something, without addresses, which differ from run to run."""
    lines = stderr.decode(errors="replace").strip().splitlines()
    return re.sub(r"0x[0-9a-f]+", "0x...", lines[-1].strip())[:300] if lines else ""
