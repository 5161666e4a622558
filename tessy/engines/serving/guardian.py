"""Runs one server and leaves nothing of it behind, however its parent ends.

    python guardian.py PARENT_PID COMMAND...

A script that imports nothing of tessy, so that it is small and lives as long as the server. It ends
the server and all that descends from it when the server exits, when its standard input is closed,
or when its parent is gone: a parent that was killed closes both. It adopts processes whose own
parent died (PR_SET_CHILD_SUBREAPER), so none escapes by outliving the server. Should the guardian
itself be killed, the kernel kills the server (PR_SET_PDEATHSIG), and its parent the rest of the
process group. Its exit status is the server's; 128 + n after signal n.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

GRACE = 5.0  # seconds between asking processes to end and killing them
_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # only the parent decides


def descendants() -> set[int]:
    """All processes under this one that still run."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text()
        except OSError:  # it ended meanwhile
            continue
        state, parent = stat.rsplit(")", 1)[1].split()[:2]
        if state not in "ZX":
            children.setdefault(int(parent), []).append(int(folder.name))
    found: set[int] = set()
    open_ends = [os.getpid()]
    while open_ends:
        new = children.get(open_ends.pop(), [])
        found.update(new)
        open_ends += new
    return found


def end_all() -> None:
    """Ask all descendants to end, then kill what is left until nothing is."""
    _signal_all(signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while descendants() and time.monotonic() < deadline:
        time.sleep(0.05)
    while descendants():  # a process may fork while it is being killed
        _signal_all(signal.SIGKILL)
        time.sleep(0.02)


def _signal_all(number: signal.Signals) -> None:
    for pid in descendants():
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def main(parent: int, command: list[str]) -> int:
    libc = ctypes.CDLL(None)
    libc.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)

    this = os.getpid()

    def in_child() -> None:
        libc.prctl(_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != this:  # it was killed before the kernel knew of the wish
            os._exit(1)
        for number in _IGNORED:
            signal.signal(number, signal.SIG_DFL)

    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=in_child)
    while server.poll() is None and os.getppid() == parent:
        closed, _, _ = select.select([0], [], [], 0.2)
        if closed:
            break
    end_all()
    status = server.wait()
    with suppress(ChildProcessError):
        while True:  # what was adopted has ended too; nobody else would bury it
            os.wait()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
