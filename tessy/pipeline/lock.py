"""Who works in a folder: one process at a time, here or on a machine that shares the disk.

    .lock    names the owner, and is touched while it works
    .guard   beside the folder; held for the moment in which a lock is looked at and taken

An owner is gone when its process is: of one on this machine the kernel knows, of one elsewhere its
lock is no longer touched. Its lock is then taken over, and what it left is gone on from.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from tessy import progress
from tessy.errors import StorageError

LOCK = ".lock"
GUARD = ".guard"
BEAT_SECONDS = 10.0  # between two touches of a lock
STALE_SECONDS = 120.0  # without a touch, after which an owner on another machine is gone
POLL_SECONDS = 0.5  # between two looks at a lock that another process holds


@dataclass(frozen=True)
class Owner:
    """The process that holds a lock."""

    host: str  # for people
    place: str  # where its process id means something: one boot, one namespace of ids
    pid: int
    started: int  # clock ticks after the boot: ids are used again
    token: str  # tells this hold from the process's other ones

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


UNKNOWN = Owner("an unknown host", "", 0, 0, "")  # of a lock that cannot be read


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make a folder and hold it alone; wait, and say for whom, while another process holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    pid = os.getpid()
    mine = Owner(socket.gethostname(), _place(), pid, _started(pid), uuid.uuid4().hex)
    _wait(folder, mine)
    ended = threading.Event()
    beat = threading.Thread(target=_beat, args=(folder, mine, ended), daemon=True)
    beat.start()
    try:
        yield
    finally:
        ended.set()
        beat.join()
        with _guarded(folder):
            if _owner(folder) == mine:
                (folder / LOCK).unlink()


def require_held(folder: Path) -> None:
    """Make sure that the folder is still this process's.

    Raises:
        StorageError: another process has taken it over, as this one was not heard of for too long.
    """
    owner = _owner(folder)
    if owner is None or (owner.place, owner.pid) != (_place(), os.getpid()):
        raise StorageError(
            f"{folder} was taken over by {owner or 'a process that is done with it'}: this one did "
            f"not touch {LOCK} for {STALE_SECONDS:g} s",
            "run the same command again; it uses what the other one makes",
        )


def _wait(folder: Path, mine: Owner) -> None:
    owner = _claim(folder, mine)
    if owner is None:
        return
    with progress.waiting() as show:
        while owner is not None:
            show(f"waiting for {owner}, which works on {folder}")
            time.sleep(POLL_SECONDS)
            owner = _claim(folder, mine)


def _claim(folder: Path, mine: Owner) -> Owner | None:
    """Take the lock if it is free or its owner is gone; otherwise the owner."""
    with _guarded(folder) as now:
        owner = _owner(folder)
        if owner is not None:
            if not _is_gone(owner, folder, now):
                return owner
            progress.say(f"{owner} is gone; its work in {folder} is taken over")
        claim = folder / f"{LOCK}.{mine.token}"
        claim.write_text(json.dumps(asdict(mine)), encoding="utf-8")
        claim.replace(folder / LOCK)
        return None


@contextmanager
def _guarded(folder: Path) -> Iterator[float]:
    """Let no other process look at locks beside this one; the time by the disk's own clock."""
    with (folder.parent / GUARD).open("a") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        os.utime(guard.fileno())
        yield os.fstat(guard.fileno()).st_mtime


def _owner(folder: Path) -> Owner | None:
    try:
        return Owner(**json.loads((folder / LOCK).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        return UNKNOWN


def _is_gone(owner: Owner, folder: Path, now: float) -> bool:
    if owner.place and owner.place == _place():
        return _started(owner.pid) != owner.started
    return now - (folder / LOCK).stat().st_mtime > STALE_SECONDS


def _beat(folder: Path, mine: Owner, ended: threading.Event) -> None:
    while not ended.wait(BEAT_SECONDS):
        with contextlib.suppress(OSError):  # a disk that comes back finds the next touch
            if _owner(folder) == mine:
                os.utime(folder / LOCK)


@cache
def _place() -> str:
    """This boot and namespace of process ids; empty where the system has no /proc."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def _started(pid: int) -> int:
    """When a process began, in clock ticks after the boot; 0 if it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    state, *fields = stat.rpartition(")")[2].split()
    return 0 if state in "ZX" else int(fields[18])
