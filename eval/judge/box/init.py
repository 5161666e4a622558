"""Process 1 of a box: forks each test, measures it from outside, and leaves nothing running.

The program cannot forge what is measured: it never holds the pipe to the judge, it runs with no
capability under another user than process 1 (where the host lets us have one), and a process 1
without signal handlers receives no signal from inside its namespace, not even SIGKILL. Expected
outputs never enter the box.
"""

# ruff: noqa: PTH123, SIM105
# To import pathlib or contextlib would take longer than all the rest of a box's start.

from __future__ import annotations

import _signal as signal  # `signal` itself would load `enum`
import gc
import os
import select
import sys
import time

from eval.judge.box import child, kernel, rootfs, wire

TYPE_CHECKING = False  # importing `typing` would double the time to start a box
if TYPE_CHECKING:
    from typing import Any, NoReturn

INIT_BYTES = 16 << 20  # of the box's memory limit, for the interpreter that all tests share
_CODE_BYTES = 16 << 20
_NEEDED = (
    kernel.CAP_KILL,
    kernel.CAP_SETUID,
    kernel.CAP_SETGID,
    kernel.CAP_SETPCAP,
    kernel.CAP_SYS_ADMIN,  # a fresh /tmp for each test
)


def run(plan: dict[str, Any], cgroup: str) -> NoReturn:
    """Enter the box and serve requests until the judge closes the pipe; never returns."""
    try:
        _enter(plan, cgroup)
        _serve(plan)
    except BaseException as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def _enter(plan: dict[str, Any], cgroup: str) -> None:
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    os.setsid()  # else kill(0) from a test would reach the launcher
    for number in (signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)  # a handler would make process 1 killable
    plan["base_bytes"] = _own_address_space()
    plan["proc"] = os.open("/proc", os.O_PATH | os.O_DIRECTORY)
    plan["oom"] = plan["peak"] = -1
    if cgroup:
        with open(f"{cgroup}/cgroup.procs", "w") as file:
            file.write("0")
        version1 = plan["cgroup_version"] == 1
        counter = "memory.oom_control" if version1 else "memory.events"
        plan["oom"] = os.open(f"{cgroup}/{counter}", os.O_RDONLY)
        if version1:  # version 2 cannot reset its peak before Linux 6.12
            plan["peak"] = os.open(f"{cgroup}/memory.max_usage_in_bytes", os.O_RDWR)
    kernel.unshare(
        kernel.CLONE_NEWNS | kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS
    )
    kernel.set_hostname("box")
    rootfs.enter(plan["mountpoint"], plan["binds"], plan["links"])
    kernel.keep_capabilities(_NEEDED)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    gc.freeze()  # children that collect garbage would copy every page of ours


def _serve(plan: dict[str, Any]) -> None:
    wire.send(1, "ready")
    while (request := wire.receive(0)) is not None:
        wire.send(1, _run_test(plan, **request))


def _run_test(plan: dict[str, Any], job: str, payload: bytes, stdin: bytes) -> dict[str, Any]:
    """Fork one test (or the compilation), wait for its end, kill what it left, report."""
    files = [_file_of(stdin), *os.pipe(), *os.pipe(), *os.pipe()]
    stdin_fd, out_read, out_write, err_read, err_write, ready_read, ready_write = files
    ooms = _oom_kills(plan["oom"])
    if plan["peak"] >= 0:
        os.pwrite(plan["peak"], b"0", 0)
    process = os.fork()
    if process == 0:
        child.become(plan, job, payload, stdin_fd, out_write, err_write, ready_write)
    for descriptor in (stdin_fd, out_write, err_write, ready_write):
        os.close(descriptor)
    started = time.monotonic()
    said = _read_all(ready_read)
    # The code object that a compilation writes is not the program's output.
    room = plan["output_bytes"] if job == "run" else _CODE_BYTES
    watch = _Watch(plan, process, out_read, err_read, room)
    reason = watch.until_end() if said == child.READY else "setup"
    wall = time.monotonic() - started
    status, cpu, resident = _kill_all(process)
    watch.drain()
    reason = reason or watch.reason
    for descriptor in (ready_read, out_read, err_read):
        os.close(descriptor)
    peak = int(os.pread(plan["peak"], 32, 0)) >> 10 if plan["peak"] >= 0 else resident
    return {
        "reason": reason,
        "setup": said.decode(errors="replace"),
        "oom": _oom_kills(plan["oom"]) - ooms,
        "status": status,
        "cpu": cpu,
        "wall": wall,
        "memory_kb": peak,
        "stdout": bytes(watch.outputs[out_read]),
        "stderr": bytes(watch.outputs[err_read][-4096:]),
    }


class _Watch:
    """Reads a test's output and stops it at a limit. `reason` is the limit, "" while none is."""

    def __init__(self, plan: dict[str, Any], process: int, out: int, err: int, room: int) -> None:
        self.plan, self.process, self.room = plan, process, room
        self.outputs = {out: bytearray(), err: bytearray()}
        self.open = {out, err}
        self.reason = ""
        # CPU clock of a whole process, see clock_getcpuclockid(3).
        self.clock = (~process << 3) | 2

    def until_end(self) -> str:
        """Wait for the first process of the test to end, or for a limit, which is returned."""
        end_fd = os.pidfd_open(self.process)
        poll = select.poll()
        poll.register(end_fd, select.POLLIN)
        poll.register(0, 0)  # only to hear that the judge has gone
        for descriptor in self.open:
            poll.register(descriptor, select.POLLIN)
        deadline = time.monotonic() + self.plan["wall_seconds"]
        try:
            while not self.reason:
                wall_left = deadline - time.monotonic()
                cpu_left = self.plan["cpu_seconds"] - time.clock_gettime(self.clock)
                if min(wall_left, cpu_left) <= 0:
                    return "cpu" if cpu_left <= 0 else "wall"
                events = dict(poll.poll(1000 * min(wall_left, max(cpu_left, 0.002))))
                if events.get(0, 0) & (select.POLLHUP | select.POLLERR):
                    os._exit(0)  # and the kernel kills whatever is in the box
                for descriptor in list(self.open & events.keys()):
                    if not self._read(descriptor):
                        poll.unregister(descriptor)
                if end_fd in events:
                    break
            return self.reason
        finally:
            os.close(end_fd)

    def drain(self) -> None:
        """Read what dead writers left in the pipes."""
        while self.open and not self.reason:
            self._read(next(iter(self.open)))

    def _read(self, descriptor: int) -> bool:
        data = os.read(descriptor, 1 << 16)
        self.outputs[descriptor] += data
        if not data:
            self.open.discard(descriptor)
        if sum(map(len, self.outputs.values())) > self.room:
            self.reason = "output"
        return bool(data)


def _kill_all(process: int) -> tuple[int, float, int]:
    """End every other process of the box.

    Returns:
        The first process's exit code (negative: a signal), CPU seconds of all, the largest
        resident set in KiB.
    """
    code, cpu, resident = 0, 0.0, 0
    try:
        # All at once: the kernel holds the list of processes, no fork slips through.
        os.kill(-1, signal.SIGKILL)
    except ProcessLookupError:
        pass
    while True:
        try:
            pid, status, usage = os.wait4(-1, 0)
        except ChildProcessError:
            return code, cpu, resident
        cpu += usage.ru_utime + usage.ru_stime
        resident = max(resident, usage.ru_maxrss)
        if pid == process:
            code = os.waitstatus_to_exitcode(status)


def _file_of(data: bytes) -> int:
    descriptor = os.memfd_create("stdin")
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _read_all(descriptor: int) -> bytes:
    parts = []
    while part := os.read(descriptor, 4096):
        parts.append(part)
    return b"".join(parts)


def _oom_kills(descriptor: int) -> int:
    """How often the kernel has killed for memory in this box."""
    if descriptor < 0:
        return 0
    for line in os.pread(descriptor, 4096, 0).decode().splitlines():
        name, _, count = line.partition(" ")
        if name == "oom_kill":
            return int(count)
    return 0


def _own_address_space() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
