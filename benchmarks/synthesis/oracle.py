"""An orchestrator that knows where each span ends: what is left for a real one to lose.

It runs on the same simulated servers, whose front ends and network take no time here. So a sample
waits only for the other server's step to end, and what the other model wrote, with the block of the
prefix cache that it broke, is computed before it goes on. Nobody can avoid either, unlike what lies
between this and our own figures: waiting for chunks, predictors and front ends, and tokens that are
thrown away. The fluid limit has neither, and so no orchestration reaches it.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping

from benchmarks.synthesis.clock import run_virtually
from benchmarks.synthesis.limit import turns
from benchmarks.synthesis.measure import Figures, Tokens, figures
from benchmarks.synthesis.server import WHOLE, Row, Script, Server
from benchmarks.synthesis.times import FrontEnd, ServerModel
from benchmarks.synthesis.world import Sample, World
from tessy.records import Writer

_FREE = FrontEnd(request=0.0, token=0.0, chunk=0.0, text_token=0.0, network=0.0)


def oracle(world: World, models: Mapping[Writer, ServerModel], in_flight: int) -> Figures:
    """Make all samples of the world, `in_flight` at once."""

    async def main() -> Figures:
        servers = {
            w: Server(dataclasses.replace(model, front=_FREE)) for w, model in models.items()
        }
        waiting = iter(world.samples)

        async def work() -> None:
            for sample in waiting:
                await _make(servers, sample, world.prompts[sample.task.session]["student"])

        await asyncio.gather(*(work() for _ in range(in_flight)))
        kept = sum(s.tokens for s in world.samples)
        return figures(servers, Tokens(kept, kept, kept))

    return run_virtually(main)


async def _make(servers: Mapping[Writer, Server], sample: Sample, prompt: tuple[int, ...]) -> None:
    """Each span by one request for just its tokens; only their number matters here."""
    ids = list(prompt)
    for writer, n in turns(sample):
        done = asyncio.get_running_loop().create_future()

        def deliver(n: int, ended: bool, done: asyncio.Future[None] = done) -> None:
            done.set_result(None)

        new = range(len(ids), len(ids) + n)
        servers[writer].submit(
            Row(sample.task.session, tuple(ids), Script(new, False), WHOLE, deliver)
        )
        await done
        ids += new
