"""The box for machines without a compiler: Python programs only, run by Python alone.

Its inside is `eval.judge.box`. A box serves one submission: the program is compiled once and
forked for each test. Needs Linux 5.12, and either root or user namespaces.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from eval.judge.box import wire
from eval.judge.isolation import CGROUP_PREFIX, MOUNTPOINT, Isolation, sweep
from eval.judge.seccomp import build_filter
from eval.judge.spec import Limits
from eval.judge.verdicts import Reply
from tessy.errors import SandboxError

Ask = Callable[[str, bytes, bytes], Reply]  # job ("compile" or "run"), its payload, stdin

# -S: no site-packages. Not -I, which would ignore the fixed hash seed: the same program must
# print its sets in the same order every time it is judged.
_LAUNCH = (
    "import sys; sys.path.insert(0, sys.argv[1]); from eval.judge.box import launch; launch.main()"
)
_ENVIRONMENT = {"LANG": "C.UTF-8", "PYTHONHASHSEED": "0", "HOME": "/tmp", "PATH": "/"}
if "LD_LIBRARY_PATH" in os.environ:  # some clusters' interpreters do not start without it
    _ENVIRONMENT["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
_GRACE_SECONDS = 30.0  # beyond a test's own limits, before the judge gives its box up


def run_once(isolation: Isolation, source: str, stdin: bytes, limits: Limits) -> Reply:
    """Compile and run a program that compiles."""
    with open_python_box(isolation, limits) as ask:
        return ask("run", ask("compile", source.encode(), b"").stdout, stdin)


@contextmanager
def open_python_box(isolation: Isolation, limits: Limits) -> Iterator[Ask]:
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

    def ask(job: str, payload: bytes, stdin: bytes) -> Reply:
        wire.send(requests, {"job": job, "payload": payload, "stdin": stdin})
        reply = answer()
        if reply["reason"] == "setup" and not reply["oom"]:
            raise EOFError(f"a test could not be confined ({reply['setup']})")
        del reply["setup"]
        return Reply(**reply)

    try:
        wire.send(requests, _plan(isolation, limits))
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


def _plan(isolation: Isolation, limits: Limits) -> dict[str, Any]:
    """What the launcher needs to know."""
    return {
        "kind": isolation.kind,
        "cgroup": isolation.cgroup,
        "cgroup_version": isolation.cgroup_version,
        "cgroup_prefix": CGROUP_PREFIX,
        "binds": isolation.binds,
        "links": dict(isolation.links),
        "mountpoint": MOUNTPOINT,
        "uid_base": isolation.uid_base,
        "uid_span": isolation.uid_span,
        "filter": build_filter(os.uname().machine),
        "cpu_seconds": limits.cpu_seconds,
        "wall_seconds": limits.wall_seconds,
        "memory_bytes": limits.memory_mb << 20,
        "output_bytes": limits.output_kb << 10,
        "processes": limits.processes,
    }
