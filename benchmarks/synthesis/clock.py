"""An event loop whose time is virtual: when nothing is ready it jumps to the next timer."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Jump(selectors.SelectSelector):
    """Waits for nothing: the time that the loop would wait is added to its clock."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("all tasks wait for one another: no timer is left to jump to")
        self.now += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs what is ready in order, then jumps. `time()` is in virtual seconds from 0.

    Two runs of the same deterministic tasks make the same callbacks at the same times.
    """

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)
        self._clock_resolution = 1e-9  # seconds; timers nearer than this are one moment

    def time(self) -> float:
        return self._jump.now


def run_virtually(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """`asyncio.run` on a virtual clock."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())
