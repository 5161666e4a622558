"""What a synthesis shows while it runs: samples, kept tokens a second, waste, load, shares."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tessy import progress
from tessy.synthesis.parts import Cast

_REDRAW = 0.5 if sys.stderr.isatty() else 10.0  # seconds; a log file gets a line each time
_SHOWN = 5  # reasons of failed samples that are printed; all stand in the journal


class Meter:
    """The progress bar of a synthesis.

    Args:
        cast: whose engines' load is shown.
        total, done: samples in all, and of these by an earlier run.
        label: names the bar.
    """

    def __init__(self, cast: Cast, total: int, done: int, label: str) -> None:
        self._cast = cast
        self._bar: Any = progress.bar(total, label, "samples", done)
        self._counts: Counter[str] = Counter()
        self._failed = 0
        self._started = time.monotonic()

    def add(self, counts: Mapping[str, int]) -> None:
        """Count what a span or an answer took: ROLE_generated and ROLE_kept_own, in own tokens."""
        self._counts.update(counts)

    def sample(self) -> None:
        """One more sample is finished."""
        self._bar.update()

    def failure(self, session: str, reason: str) -> None:
        """A sample has failed; the first few reasons are printed."""
        self._failed += 1
        if self._failed <= _SHOWN:
            self._bar.write(f"failed: sample {session}: {reason}", file=sys.stderr)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Redraw the bar while samples are made."""
        task = asyncio.create_task(self._redraw())
        try:
            yield
        finally:
            task.cancel()
            self._bar.set_postfix_str(self.line(), refresh=False)
            self._bar.close()

    async def _redraw(self) -> None:
        while True:
            await asyncio.sleep(_REDRAW)
            self._bar.set_postfix_str(self.line())

    def line(self) -> str:
        """Rates and shares of this run so far."""
        kept = {w: self._counts[f"{w}_kept_own"] for w in self._cast.roles}
        made = sum(self._counts[f"{w}_generated"] for w in self._cast.roles)
        total = sum(kept.values())
        seconds = max(time.monotonic() - self._started, 1e-3)
        parts = [f"{total / seconds:,.0f} tok/s kept"]
        if made:
            parts.append(f"{1 - total / made:.0%} thrown away")
        if total and len(kept) > 1:
            parts.append(f"teacher {kept['teacher'] / total:.0%}")
        load = (f"{w} {role.engine.in_flight}" for w, role in self._cast.roles.items())
        parts.append(f"in flight: {', '.join(load)}")
        if self._failed:
            parts.append(f"{self._failed} failed")
        return ", ".join(parts)
