"""Runs beside others, and runs alone: a measurement that decides a verdict has no neighbours.

Every test of every judge of this user holds one lock together with the others; a run that must be
alone holds it by itself. Two files, so that the latter cannot starve: whoever wants in passes
through the first one, which a run that wants to be alone keeps closed while it waits.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from eval.judge.cache import cache_folder


@contextmanager
def beside_others() -> Iterator[None]:
    with _locked("door", fcntl.LOCK_SH):
        room = _lock("room", fcntl.LOCK_SH)
    try:
        yield
    finally:
        os.close(room)


@contextmanager
def alone() -> Iterator[None]:
    with _locked("door", fcntl.LOCK_EX), _locked("room", fcntl.LOCK_EX):
        yield


@contextmanager
def _locked(name: str, how: int) -> Iterator[None]:
    descriptor = _lock(name, how)
    try:
        yield
    finally:
        os.close(descriptor)


def _lock(name: str, how: int) -> int:
    # Opened anew: a lock belongs to an open file, so threads of a process exclude each other.
    descriptor = os.open(cache_folder() / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, how)
    return descriptor
