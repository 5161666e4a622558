"""How programs are isolated on this machine, found out by running one that tries to look around."""

from __future__ import annotations

import logging
import sys
import threading
from contextlib import closing
from functools import cache

from eval.judge import python_box
from eval.judge.boxes import open_box
from eval.judge.go_judge import GoJudgeBox
from eval.judge.isolation import Isolation, candidates, hints, sweep
from eval.judge.job import Job
from eval.judge.languages import setting_for
from eval.judge.launcher import find_launcher
from eval.judge.setting import Setting
from eval.judge.spec import Limits, Program
from eval.judge.verdicts import Reply
from tessy.errors import SandboxError

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
print(*seen or ["boxed"], input())
"""
# A container's own; and what a service shows is for its owner to decide.
_CONTAINER = b"/etc /proc/self well\n"
_SEEN = {"podman": _CONTAINER, "docker": _CONTAINER, "go-judge": b"well\n"}
_PROBE_LIMITS = Limits(10, 30, 256, 64, 4, stack_mb=64)

_lock = threading.Lock()


def check_isolation() -> Isolation:
    """How programs are isolated on this machine; tried once, with a real program.

    Raises:
        SandboxError: nothing isolates here; says what to enable. Programs are never run without.
    """
    with _lock:
        return _checked_isolation()


@cache
def _checked_isolation() -> Isolation:
    refused = []
    for isolation in candidates() if sys.platform == "linux" else []:
        if isolation.kind in ("bubblewrap", "podman", "docker") and find_launcher() is None:
            continue
        try:
            reply = _try(isolation)
        except SandboxError as error:
            if isolation.kind in ("docker", "go-judge"):  # a daemon's or a service's own failure
                raise
            refused.append(f"{isolation.kind}: {error.what}")
            continue
        if reply.stdout == _SEEN.get(isolation.kind, b"boxed well\n"):
            for sentence in isolation.weaker:
                logging.getLogger(__name__).warning("sandbox: %s", sentence)
            sweep(isolation)
            return isolation
        seen = (reply.stdout or reply.stderr).decode(errors="replace").strip()
        refused.append(f"{isolation.kind}: a trial program saw {seen}")
    reasons = "; ".join(refused) or f"no namespaces on {sys.platform}"
    raise SandboxError(f"programs cannot be isolated on this machine ({reasons})", hints())


def _try(isolation: Isolation) -> Reply:
    if isolation.kind == "go-judge":
        with closing(GoJudgeBox(isolation.address, Setting(_PROBE_LIMITS))) as service:
            return service.run(Job(["/bin/cat"], stdin=b"well\n"), _PROBE_LIMITS)
    if find_launcher() is None:
        return python_box.run_once(isolation, _PROBE, b"well", _PROBE_LIMITS)
    program = Program("python", _PROBE)
    with open_box(isolation, setting_for(program, _PROBE_LIMITS, isolation)) as box:
        code = box.run(Job(program=_PROBE.encode(), compiles=True), _PROBE_LIMITS)
        return box.run(Job(program=code.stdout, stdin=b"well"), _PROBE_LIMITS)
