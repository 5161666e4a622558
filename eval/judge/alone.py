"""Runs beside others, and runs alone: a measurement that decides a verdict has no neighbours.

Every test of every judge of this user holds one lock together with the others; a run that must be
alone holds it by itself. Two files, so that the latter cannot starve: whoever wants in passes
through the first one, which a run that wants to be alone keeps closed while it waits.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_SH, LOCK_UN, flock

from eval.judge.cache import cache_folder


@contextmanager
def beside_others() -> Iterator[None]:
    door, room = _files()
    flock(door, LOCK_SH)
    flock(room, LOCK_SH)
    flock(door, LOCK_UN)
    try:
        yield
    finally:
        flock(room, LOCK_UN)


@contextmanager
def alone() -> Iterator[None]:
    """Not within `beside_others` of the same thread."""
    door, room = _files()
    flock(door, LOCK_EX)
    flock(room, LOCK_EX)
    try:
        yield
    finally:
        flock(room, LOCK_UN)
        flock(door, LOCK_UN)


class _Files:
    """A lock belongs to an open file, so each thread has its own; closed when the thread ends."""

    def __init__(self) -> None:
        self.process = os.getpid()  # a forked process would share its parent's locks
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self.door, self.room = (
            os.open(cache_folder() / name, flags, 0o600) for name in ("door", "room")
        )

    def __del__(self) -> None:
        for descriptor in (self.door, self.room):
            os.close(descriptor)


_of_thread = threading.local()


def _files() -> tuple[int, int]:
    files: _Files | None = getattr(_of_thread, "files", None)
    if files is None or files.process != os.getpid():
        files = _of_thread.files = _Files()
    return files.door, files.room
