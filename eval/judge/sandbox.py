"""Run untrusted Python programs in boxes: other user, no network, no host, measured limits.

A box serves one submission: the program is compiled once and forked for each test. Needs Linux
5.12, and either root or user namespaces; no system package, no compiler.

What it does not cover: a hole in the kernel itself (a virtual machine would), and side channels
between programs that run at the same time. On a machine without a memory cgroup, memory is
limited for each process, not for the sum of a program's processes.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from eval.judge.box import wire
from eval.judge.isolation import Isolation, candidates, hints, sweep
from eval.judge.spec import Limits, TestRun
from tessy.errors import SandboxError

# -S: no site-packages. Not -I, which would ignore the fixed hash seed: the same program must
# print its sets in the same order every time it is judged.
_LAUNCH = (
    "import sys; sys.path.insert(0, sys.argv[1]); from eval.judge.box import launch; launch.main()"
)
_ENVIRONMENT = {"LANG": "C.UTF-8", "PYTHONHASHSEED": "0", "HOME": "/tmp", "PATH": "/"}
if "LD_LIBRARY_PATH" in os.environ:  # some clusters' interpreters do not start without it
    _ENVIRONMENT["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
_GRACE_SECONDS = 30.0  # beyond a test's own limits, before the judge gives its box up

_PROBE = """
import os, socket
import bisect, collections, decimal, fractions, functools, hashlib, heapq, itertools, json, math
import random, re, string, struct, zlib
seen = [p for p in ("/etc", "/proc/self", "/home", "/usr/bin", "/tmp/..data") if os.path.exists(p)]
try:
    socket.socket()
    seen.append("network")
except PermissionError:
    pass
print(seen or "boxed", input())
"""
_PROBE_LIMITS = Limits(10, 30, 256, 64, 4)

_lock = threading.Lock()


def check_isolation() -> Isolation:
    """How programs are isolated on this machine; tried once, with a real program.

    Raises:
        SandboxError: nothing isolates here; says what to enable. Programs are never run without.
    """
    with _lock:
        return _checked_isolation()


def run_python(
    source: str,
    stdins: Sequence[str],
    limits: Limits,
    stop_after: Callable[[int, TestRun], bool] | None = None,
) -> list[TestRun]:
    """Run a program on each stdin in turn, in one box.

    Args:
        source: Python source text.
        stop_after: called with the index and result of each test; true ends the submission.

    Returns:
        A result a test, up to where it was stopped. A program that does not compile has a
        single result, with verdict "compile_error".

    Raises:
        SandboxError: the judge failed, not the program; nothing is known about the program.
    """
    return _run_in_box(check_isolation(), source, stdins, limits, stop_after)


@cache
def _checked_isolation() -> Isolation:
    refused = []
    for isolation in candidates() if sys.platform == "linux" else []:
        try:
            (run,) = _run_in_box(isolation, _PROBE, ["well"], _PROBE_LIMITS, None)
        except SandboxError as error:
            refused.append(f"{isolation.kind}: {error.what}")
            continue
        if run.stdout.split() == [b"boxed", b"well"]:
            for sentence in isolation.weaker:
                logging.getLogger(__name__).warning("sandbox: %s", sentence)
            sweep(isolation)
            return isolation
        refused.append(
            f"{isolation.kind}: a trial program saw {run.stdout.decode() or run.message}"
        )
    reasons = "; ".join(refused) or f"no namespaces on {sys.platform}"
    raise SandboxError(f"programs cannot be isolated on this machine ({reasons})", hints())


def _run_in_box(
    isolation: Isolation,
    source: str,
    stdins: Sequence[str],
    limits: Limits,
    stop_after: Callable[[int, TestRun], bool] | None,
) -> list[TestRun]:
    with _box(isolation, limits) as ask:
        built = ask("compile", source.encode(errors="surrogatepass"), b"")
        if _verdict(built, limits)[0] != "accepted":
            return [_compile_error(built, limits)]
        runs = []
        for index, stdin in enumerate(stdins):
            runs.append(_result(ask("run", built["stdout"], stdin.encode()), limits))
            if stop_after is not None and stop_after(index, runs[-1]):
                break
        return runs


@contextmanager
def _box(isolation: Isolation, limits: Limits) -> Iterator[Callable[[str, bytes, bytes], Any]]:
    """A box as a function that runs one job; closed and gone when the block is left."""
    root = str(Path(__file__).resolve().parents[2])
    launcher = subprocess.Popen(
        [sys._base_executable, "-S", "-s", "-P", "-c", _LAUNCH, root],  # type: ignore[attr-defined]
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        env=_ENVIRONMENT,
        cwd="/",
        start_new_session=True,  # Ctrl-C is for the judge, which closes the box
    )
    assert launcher.stdin and launcher.stdout and launcher.stderr
    requests, answers = launcher.stdin.fileno(), launcher.stdout.fileno()

    def answer() -> Any:
        reply = wire.receive(answers, limits.wall_seconds + _GRACE_SECONDS)
        if reply is None:
            raise EOFError("the box ended before it answered")
        return reply

    def ask(job: str, payload: bytes, stdin: bytes) -> Any:
        wire.send(requests, {"job": job, "payload": payload, "stdin": stdin})
        reply = answer()
        if reply["reason"] == "setup" and not reply["oom"]:
            raise EOFError(f"a test could not be confined ({reply['setup']})")
        return reply

    try:
        wire.send(requests, isolation.plan(limits))
        answer()  # the box is ready
        yield ask
    except (OSError, EOFError) as error:
        reason = _close(launcher, isolation).splitlines()
        raise SandboxError(
            f"the sandbox failed: {reason[-1] if reason else error or 'no answer in time'}",
            "try again; if it fails again, report it with this message",
        ) from None
    finally:
        _close(launcher, isolation)


def _close(launcher: subprocess.Popen[bytes], isolation: Isolation) -> str:
    """Wait until a box is gone; what its launcher complained of."""
    assert launcher.stdin and launcher.stdout and launcher.stderr
    if launcher.stdin.closed:
        return ""
    with suppress(OSError):  # a process that we forked meanwhile may hold the pipe open
        wire.send(launcher.stdin.fileno(), None)
    launcher.stdin.close()
    try:
        launcher.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        launcher.kill()  # and with it process 1 of the box, and with that the rest
        launcher.wait()
        sweep(isolation)
    said = launcher.stderr.read().decode(errors="replace").strip()
    launcher.stdout.close()
    launcher.stderr.close()
    return said


def _result(reply: dict[str, Any], limits: Limits) -> TestRun:
    verdict, message = _verdict(reply, limits)
    return TestRun(
        verdict=verdict,  # type: ignore[arg-type]
        cpu_ms=1000 * reply["cpu"],
        wall_ms=1000 * reply["wall"],
        memory_kb=reply["memory_kb"],
        stdout=reply["stdout"],
        message=message,
        exit_code=reply["status"],
        stderr=reply["stderr"],
    )


def _verdict(reply: dict[str, Any], limits: Limits) -> tuple[str, str]:
    """Verdict and message. Memory goes before time: a program that swaps is slow as well."""
    reason, status = reply["reason"], reply["status"]
    last = _last_line(reply["stderr"])
    if reply["oom"] or (status and last.startswith("MemoryError")):
        return "memory_limit", f"more than {limits.memory_mb} MiB"
    if reason == "output":
        return "output_limit", f"more than {limits.output_kb} KiB of output"
    if reason == "wall":
        return "time_limit", f"not done after {limits.wall_seconds:g} s"
    if reason == "cpu" or status == -signal.SIGXCPU or reply["cpu"] > limits.cpu_seconds:
        return "time_limit", f"more than {limits.cpu_seconds:g} s of CPU time"
    if status < 0:
        return "runtime_error", f"killed by {_signal_name(-status)}"
    if status:
        return "runtime_error", last or f"exit status {status}"
    return "accepted", ""


def _compile_error(reply: dict[str, Any], limits: Limits) -> TestRun:
    verdict, message = _verdict(reply, limits)
    if verdict != "runtime_error":
        message = f"compilation needs {message}"
    return TestRun("compile_error", 1000 * reply["cpu"], 1000 * reply["wall"], 0, b"", message)


def _last_line(stderr: bytes) -> str:
    """The last line that says something, without addresses, which differ from run to run."""
    lines = stderr.decode(errors="replace").strip().splitlines()
    return re.sub(r"0x[0-9a-f]+", "0x...", lines[-1].strip())[:300] if lines else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
