"""Start a box: namespaces, memory cgroup, process 1. One such process a submission.

It is started fresh and has one thread, so that it may fork; the judge's own process has many.
Everything it makes goes with it: when the judge dies, even by SIGKILL, process 1 reads the end of
its requests and exits, the kernel kills what is left in the box, and this process removes the
cgroup.
"""

# ruff: noqa: PTH102, PTH106, PTH110, PTH123
# To import pathlib would take longer than all the rest of a box's start.

from __future__ import annotations

import os
import sys
import time

from eval.judge.box import init, kernel, wire

TYPE_CHECKING = False  # importing `typing` would double the time to start a box
if TYPE_CHECKING:
    from typing import Any

OUTER_UID_IN_BOX = 1000  # what a plain user's id looks like inside


def main() -> None:
    """Read the plan from stdin, run the box, exit with its status."""
    sys.path.pop(0)  # where this package was found: programs import from the standard library only
    os.umask(0o022)
    plan = wire.receive(0)
    assert plan is not None, "the judge went away before it sent the plan"
    if plan["kind"] == "userns":
        _become_root_of_user_namespace()
        plan["uid"] = OUTER_UID_IN_BOX
    else:
        plan["uid"] = plan["uid_base"] + os.getpid() % plan["uid_span"]
    cgroup = _make_cgroup(plan)
    try:
        kernel.unshare(kernel.CLONE_NEWPID)
        process = os.fork()
        if process == 0:
            init.run(plan, cgroup)
        for descriptor in (0, 1):
            os.close(descriptor)
        _, status = os.waitpid(process, 0)
    finally:
        if cgroup:
            _remove_cgroup(cgroup)
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        sys.stderr.write(f"process 1 of the box died by signal {-code}\n")
    os._exit(code != 0)


def _become_root_of_user_namespace() -> None:
    """A plain user may make the other namespaces only inside a user namespace."""
    uid, gid = os.geteuid(), os.getegid()
    kernel.unshare(kernel.CLONE_NEWUSER)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{OUTER_UID_IN_BOX} {uid} 1"),
        ("gid_map", f"{OUTER_UID_IN_BOX} {gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def _make_cgroup(plan: dict[str, Any]) -> str:
    """A memory cgroup for the box below `plan["cgroup"]`; "" where none can be had."""
    if not plan["cgroup"]:
        return ""
    folder = f"{plan['cgroup']}/{plan['cgroup_prefix']}{os.getpid()}"
    os.mkdir(folder)
    limits = (
        ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
        if plan["cgroup_version"] == 1
        else ("memory.max", "memory.swap.max")
    )
    size = plan["memory_bytes"] + init.INIT_BYTES
    swap = size if plan["cgroup_version"] == 1 else 0  # version 1 counts memory and swap together
    for name, value in zip(limits, (size, swap), strict=True):
        if os.path.exists(f"{folder}/{name}"):
            with open(f"{folder}/{name}", "w") as file:
                file.write(str(value))
    return folder


def _remove_cgroup(folder: str) -> None:
    for _ in range(200):
        try:
            os.rmdir(folder)
            return
        except OSError:  # busy until the kernel has let go of the last process
            time.sleep(0.005)
    sys.stderr.write(f"cannot remove {folder}\n")
