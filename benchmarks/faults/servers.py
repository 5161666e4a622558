"""A synthesis over HTTP whose servers spoil one request in so many, in every way that they may."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from benchmarks.synthesis.loopback import connected, serving
from benchmarks.synthesis.loopback_server import Exchange
from benchmarks.synthesis.world import World
from tessy.config import EngineConfig, ServeConfig
from tessy.engines.loop import run
from tessy.records import Writer
from tessy.synthesis.journal import Journal
from tessy.synthesis.methods import METHODS
from tessy.synthesis.run import make_samples

SAMPLES, SCALE = 40, 0.05  # of 670 tokens
TOKEN_SECONDS = 0.001  # between two tokens of a row
ONE_IN = 12  # requests is spoiled
PATIENCE = ServeConfig("external", stall_seconds=0.5)


class Spoiling(Exchange):
    """A server that refuses, hangs, hangs up, writes nonsense or ends without saying why."""

    _draw = random.Random(0)
    _ways = cycle(("refuses", "hangs", "drops", "garbles", "stops"))
    _way = ""  # of this request
    _sent = 0

    def complete(self, body: bytes) -> None:
        probe = self._scripted.session(tuple(json.loads(body)["prompt"])) is None
        if not probe and self._draw.randrange(ONE_IN) == 0:
            self._way = next(self._ways)
        if self._way == "refuses":
            said = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 11\r\n\r\nout of luck"
            self._transport.write(said)
            self._transport.close()
        elif self._way != "hangs":
            super().complete(body)

    def send(self, event: bytes) -> None:
        self._sent += 1
        if self._sent < 3 or not self._way:
            super().send(event)
            return
        self._streams.pop(self, None)
        if self._way == "drops":
            self._transport.abort()
        elif self._way == "garbles":
            super().send(b'data: {"choices": [nonsense\n\n')
        else:
            super().send(b"data: [DONE]\n\n")
            self._transport.write(b"0\r\n\r\n")
            self._transport.close()


@dataclass(frozen=True)
class Spoilt:
    """What came of it: faults that a request met, by their reason; samples that are not whole."""

    faults: dict[str, int]
    lost: int
    same: bool  # the text of every sample is the one that the servers' script has


def servers(folder: Path) -> Spoilt:
    """Synthesize to the end; `folder` receives the world and the journal."""
    world = World(folder, SAMPLES, SCALE)
    with (
        serving(folder, SAMPLES, SCALE, TOKEN_SECONDS, Spoiling) as ports,
        Journal(folder / "journal.jsonl") as journal,
    ):
        met = run(_synthesize(world, ports, journal), EngineConfig("vllm"))
        done = [journal.trajectory(sample.task.key) for sample in world.samples]
    return Spoilt(
        met,
        sum(one.finish != "complete" for one in done),
        [one.text() for one in done] == [world.text(sample) for sample in world.samples],
    )


async def _synthesize(
    world: World, ports: Mapping[Writer, int], journal: Journal
) -> dict[str, int]:
    async with connected(world, ports, PATIENCE, SAMPLES) as cast:
        tasks = [sample.task for sample in world.samples]
        async with asyncio.timeout(300):
            await make_samples(cast, METHODS["tessy"], tasks, journal, SAMPLES)
    counts = sum((role.engine.counts for role in cast.roles.values()), Counter[str]())
    reasons = {name: n for name, n in counts.items() if name.startswith("retried_")}
    return {name.removeprefix("retried_"): n for name, n in sorted(reasons.items())}
