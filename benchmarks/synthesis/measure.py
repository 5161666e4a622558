"""What an orchestration achieved."""

from __future__ import annotations

import asyncio
import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.synthesis.blocks import BLOCK
from benchmarks.synthesis.engine import SimulatedPredictor
from benchmarks.synthesis.server import Server
from tessy.records import Writer


@dataclass(frozen=True)
class Figures:
    """Of one run. Tokens are counted by the servers, so those on their way at a cut are in."""

    seconds: float
    kept: int  # tokens of accepted text, in the student's tokenizer
    generated: int  # by the servers
    wanted: int  # of them, what stays, stop tokens included
    received: int  # of them, what the client was sent before it aborted
    requests: int
    prefilled: int
    aborts: int
    lag_tokens: int  # generated for rows that had been given up
    evicted_tokens: int  # that a cache dropped for want of room
    preempted: int
    idle: dict[str, float]  # share of the time, by role
    low: dict[str, float]  # share of the time in steps of fewer than 8 rows
    predictor_ms: float  # a question's mean wait
    predictor_batch: float  # questions a batch

    @property
    def rate(self) -> float:
        return self.kept / self.seconds

    @property
    def requests_per_ktok(self) -> float:
        return 1e3 * self.requests / self.kept

    @property
    def waste(self) -> float:
        """Share of the generated tokens that is thrown away."""
        return 1 - self.wanted / self.generated

    @property
    def received_waste(self) -> float:
        """The same, of the tokens that the client knows of."""
        return 1 - self.wanted / self.received

    def since(self, earlier: Figures) -> Figures:
        """Of the time after `earlier` alone; the predictors' means stay those of the whole time."""
        seconds = self.seconds - earlier.seconds
        counts = {
            f.name: getattr(self, f.name) - getattr(earlier, f.name)
            for f in dataclasses.fields(self)
            if isinstance(getattr(self, f.name), int)
        }

        def share(name: str) -> dict[str, float]:
            now, then = getattr(self, name), getattr(earlier, name)
            return {w: (now[w] * self.seconds - then[w] * earlier.seconds) / seconds for w in now}

        return dataclasses.replace(
            self, seconds=seconds, idle=share("idle"), low=share("low"), **counts
        )


@dataclass(frozen=True)
class Window:
    """When a run is measured, in virtual seconds: from its start to its end, unless it says so."""

    since: float = 0.0
    until: float = math.inf

    async def watch(
        self, work: Coroutine[Any, Any, object], measure: Callable[[], Figures]
    ) -> Figures:
        """Run until the window closes or the work is done; the figures of that time."""
        task = asyncio.ensure_future(work)
        await asyncio.wait([task], timeout=self.since)
        before = measure()
        rest = None if self.until == math.inf else self.until - self.since
        await asyncio.wait([task], timeout=rest)
        if task.done():
            task.result()
        return measure().since(before)


WHOLE_RUN = Window()


@dataclass(frozen=True)
class Tokens:
    """Of the samples so far, stop tokens in the last two."""

    kept: int  # of accepted text
    wanted: int  # that were generated and stay
    received: int  # that the client was sent


def figures(
    servers: Mapping[Writer, Server],
    tokens: Tokens,
    predictors: Iterable[SimulatedPredictor] = (),
) -> Figures:
    """Figures of a run so far, in its loop."""
    predictors = list(predictors)
    seconds = asyncio.get_running_loop().time()
    counts: Counter[str] = sum((s.counts for s in servers.values()), Counter())
    batches = sum(p.counts["steps"] for p in predictors)
    calls = sum(p.counts["calls"] for p in predictors)
    return Figures(
        seconds=seconds,
        kept=tokens.kept,
        generated=counts["generated"],
        wanted=tokens.wanted,
        received=tokens.received,
        requests=counts["requests"],
        prefilled=counts["prefill_tokens"],
        aborts=counts["aborts"],
        lag_tokens=counts["abort_lag_tokens"],
        evicted_tokens=sum(s.room.evicted for s in servers.values()) * BLOCK,
        preempted=counts["preempted"],
        idle={w: 1 - s.seconds["busy"] / max(seconds, 1e-9) for w, s in servers.items()},
        low={w: s.seconds["low"] / max(seconds, 1e-9) for w, s in servers.items()},
        predictor_ms=1e3 * sum(p.seconds for p in predictors) / max(1, calls),
        predictor_batch=calls / max(1, batches),
    )
