"""The process that becomes the program: gives up everything, then runs it."""

from __future__ import annotations

import os
import resource

from eval.judge.box import kernel, program, rootfs

TYPE_CHECKING = False  # importing `typing` would double the time to start a box
if TYPE_CHECKING:
    from typing import Any, NoReturn

READY = b"ready"
_STACK_BYTES = 64 << 20


def become(
    plan: dict[str, Any], job: str, payload: bytes, stdin: int, out: int, err: int, ready: int
) -> NoReturn:
    """Confine this process for good, say so on `ready`, and run the job.

    Args:
        job: "compile" (payload is source text, the code object goes to stdout) or "run"
            (payload is what "compile" wrote).
    """
    try:
        _confine(plan)
        for target, descriptor in enumerate((stdin, out, err)):
            os.dup2(descriptor, target)
        kernel.install_filter(plan["filter"])
        os.write(ready, READY)
        os.closerange(3, 1 << 12)  # among them `ready` and all that process 1 has open
    except BaseException as error:
        os.write(ready, f"{type(error).__name__}: {error}".encode())
        os._exit(1)
    os._exit(program.compile_source(payload) if job == "compile" else program.run_code(payload))


def _confine(plan: dict[str, Any]) -> None:
    os.setsid()
    if plan["oom"] >= 0:  # where memory runs out in the box, a test dies, never process 1
        adjust = os.open("self/oom_score_adj", os.O_WRONLY, dir_fd=plan["proc"])
        os.write(adjust, b"1000")
        os.close(adjust)
    rootfs.fresh_tmp(min(64, max(1, plan["memory_bytes"] >> 21)))
    os.chdir("/tmp")
    _limit(plan)
    if plan["kind"] == "root":
        os.setgroups([])
        os.setresgid(plan["uid"], plan["uid"], plan["uid"])
        os.setresuid(plan["uid"], plan["uid"], plan["uid"])
    kernel.keep_capabilities(())
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)


def _limit(plan: dict[str, Any]) -> None:
    processes = plan["processes"]
    if plan["kind"] == "userns":
        processes += 2  # process 1 and the launcher are the same user there
    limits = {
        resource.RLIMIT_CPU: int(plan["cpu_seconds"]) + 1,  # process 1 is more exact
        resource.RLIMIT_NPROC: processes,
        resource.RLIMIT_FSIZE: plan["memory_bytes"],
        resource.RLIMIT_NOFILE: 64,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_STACK: _STACK_BYTES,
    }
    if plan["oom"] < 0:  # nobody measures memory: bound the address space instead
        limits[resource.RLIMIT_AS] = plan["base_bytes"] + plan["memory_bytes"]
    for kind, value in limits.items():
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))
