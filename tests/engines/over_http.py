"""The engine over servers of the tests, and what it must be equal to."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from tessy.config import EngineConfig, SamplingConfig, ServeConfig, ServerConfig
from tessy.engines import Completion, Engine, ModelSpec, Request, complete, open_engines
from tessy.records import Writer
from tests.engines.server import TinyServer, running

GREEDY = SamplingConfig(temperature=0)
CONTEXT = 512
SERVE = ServeConfig("external", stall_seconds=30.0, patience_seconds=60.0, retries=3)
STUDENT = EngineConfig("vllm")


def requests(n: int, length: int = 40, stop: frozenset[int] = frozenset()) -> list[Request]:
    draw = random.Random(3)
    prompts = [tuple(draw.choices(range(20, 380), k=draw.randint(2, 60))) for _ in range(n)]
    return [Request(p, GREEDY, length, stop, f"s{i}", 7) for i, p in enumerate(prompts)]


@asynccontextmanager
async def engine_over(
    folder: Path, servers: list[TinyServer], serve: ServeConfig = SERVE
) -> AsyncIterator[Engine]:
    spec: dict[Writer, ModelSpec] = {"student": ModelSpec(folder, CONTEXT)}
    urls = ServerConfig(urls=tuple(s.url for s in servers))
    serve = replace(serve, kind="external", student=urls)
    async with open_engines(spec, STUDENT, serve, 8, folder / "logs") as engines:
        yield engines["student"]


@asynccontextmanager
async def several(folder: Path, n: int) -> AsyncIterator[list[TinyServer]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(running(folder, CONTEXT)) for _ in range(n)]


async def in_process(folder: Path, asked: list[Request]) -> list[Completion]:
    spec: dict[Writer, ModelSpec] = {"student": ModelSpec(folder, CONTEXT)}
    config = EngineConfig("transformers", "cpu", 8, 1)
    async with open_engines(spec, config, ServeConfig(), 8, folder / "logs") as engines:
        return list(await asyncio.gather(*(complete(engines["student"], r) for r in asked)))
