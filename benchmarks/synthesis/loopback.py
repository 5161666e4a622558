"""The client's own CPU time: the whole client over real HTTP against a server in another process.

Engine, cooperation, journal and bookkeeping are the real code; the predictors answer after 3 ms
without computing. Samples start anywhere in their thinking, so that prompts have the lengths
that they have on average. Processor time of this process, all threads, over the tokens of the spans
that were accepted meanwhile.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.synthesis.engine import SimulatedPredictor
from benchmarks.synthesis.journaled import added, write_begun
from benchmarks.synthesis.loopback_server import Exchange, serve
from benchmarks.synthesis.ours import Orchestration, make_cast
from benchmarks.synthesis.world import CONTEXT, World
from tessy.config import EngineConfig, ServeConfig
from tessy.engines.loop import run
from tessy.engines.vllm import VllmEngine, connect
from tessy.records import Writer
from tessy.synthesis.journal import Journal
from tessy.synthesis.methods import METHODS
from tessy.synthesis.parts import Cast
from tessy.synthesis.run import make_samples


@dataclass(frozen=True)
class Load:
    """What the client is measured under."""

    samples: int = 100  # all in flight
    scale: float = 1.0  # of their lengths
    token_seconds: float = 0.02  # between two tokens of a row
    interval: int = 0  # `serve.stream_interval`
    warm_up: float = 4.0  # seconds
    measured: float = 15.0  # seconds


@dataclass(frozen=True)
class Cost:
    """Milliseconds of processor time a kept kilotoken, and the kept tokens a second meanwhile."""

    total: float
    user: float  # of it, outside of the operating system
    rate: float


def client_cost(folder: Path, load: Load) -> Cost:
    """Run the client for some seconds; `folder` receives the world and the journal."""
    world = World(folder, load.samples, load.scale, begun=load.samples)
    with serving(folder, load.samples, load.scale, load.token_seconds) as ports:
        write_begun(world, folder / "journal.jsonl")
        with Journal(folder / "journal.jsonl") as journal:
            return run(_measure(world, ports, journal, load), EngineConfig("vllm"))


@contextmanager
def serving(
    folder: Path,
    samples: int,
    scale: float,
    token_seconds: float,
    exchange: type[Exchange] = Exchange,
) -> Iterator[dict[Writer, int]]:
    """The ports of both roles' servers, in another process; arguments as of `serve`."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    arguments = (folder, samples, scale, token_seconds, there, exchange)
    server = context.Process(target=serve, args=arguments)
    server.start()
    try:
        yield here.recv()
    finally:
        server.terminate()
        server.join()


@asynccontextmanager
async def connected(
    world: World, ports: Mapping[Writer, int], serve: ServeConfig, in_flight: int
) -> AsyncIterator[Cast]:
    """The cast of a synthesis over these servers, with predictors that compute nothing."""
    async with AsyncExitStack() as stack:
        engines: dict[Writer, VllmEngine] = {}
        for writer, port in ports.items():
            path, urls = world.models[writer].path, [f"http://127.0.0.1:{port}"]
            engines[writer] = await connect(writer, path, Path(path), CONTEXT, urls, serve)
            stack.push_async_callback(engines[writer].aclose)
        predictors = {writer: SimulatedPredictor() for writer in engines}
        yield make_cast(world, engines, predictors, Orchestration(in_flight))


async def _measure(world: World, ports: Mapping[Writer, int], journal: Journal, load: Load) -> Cost:
    config = ServeConfig("external", stream_interval=load.interval)
    async with connected(world, ports, config, load.samples) as cast:
        engines = [role.engine for role in cast.roles.values()]
        tasks = [s.task for s in world.samples]
        work = asyncio.create_task(
            make_samples(cast, METHODS["tessy"], tasks, journal, load.samples)
        )
        while sum(e.counts["generated_tokens"] > 0 for e in engines) < len(engines):
            await asyncio.sleep(0.1)  # until what there was is read, and both servers write
        await asyncio.wait([work], timeout=load.warm_up)
        offset, began = journal.path.stat().st_size, os.times()
        await asyncio.wait([work], timeout=load.measured)
        ended, kept = os.times(), added(journal.path, offset).kept
        if work.done():
            work.result()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
    user, system = ended.user - began.user, ended.system - began.system
    return Cost(
        1e6 * (user + system) / kept, 1e6 * user / kept, kept / (ended.elapsed - began.elapsed)
    )
