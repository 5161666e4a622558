"""What an orchestration achieved."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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


def figures(
    servers: Mapping[Writer, Server],
    kept: int,
    wanted: int,
    received: int,
    predictors: Sequence[SimulatedPredictor] = (),
) -> Figures:
    """Figures of a run that has just ended, in its loop."""
    seconds = asyncio.get_running_loop().time()
    counts: Counter[str] = sum((s.counts for s in servers.values()), Counter())
    batches = sum(p.counts["steps"] for p in predictors)
    calls = sum(p.counts["calls"] for p in predictors)
    return Figures(
        seconds=seconds,
        kept=kept,
        generated=counts["generated"],
        wanted=wanted,
        received=received,
        requests=counts["requests"],
        prefilled=counts["prefill_tokens"],
        aborts=counts["aborts"],
        lag_tokens=counts["abort_lag_tokens"],
        evicted_tokens=sum(s.room.evicted for s in servers.values()) * BLOCK,
        preempted=counts["preempted"],
        idle={w: 1 - s.seconds["busy"] / seconds for w, s in servers.items()},
        low={w: s.seconds["low"] / seconds for w, s in servers.items()},
        predictor_ms=1e3 * sum(p.seconds for p in predictors) / max(1, calls),
        predictor_batch=calls / max(1, batches),
    )
