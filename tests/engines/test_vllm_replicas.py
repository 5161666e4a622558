"""Replicas that share the sessions, die and come back."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tessy.engines import Request, complete
from tessy.errors import EngineDown
from tests.engines.over_http import (
    CONTEXT,
    GREEDY,
    SERVE,
    engine_over,
    in_process,
    requests,
    several,
)
from tests.engines.server import running


def test_a_session_stays_and_sessions_are_spread(tiny: dict[str, Path]) -> None:
    async def run() -> None:
        async with (
            several(tiny["student"], 3) as servers,
            engine_over(tiny["student"], servers) as engine,
        ):
            asked = requests(9, length=4)
            for _ in range(3):
                await asyncio.gather(*(complete(engine, r) for r in asked))
            for server in servers:
                probe, *prompts = server.prompts
                assert len(probe) == 1
                assert len(prompts) == 9
                assert len(set(map(tuple, prompts))) == 3
            for request in asked:
                await engine.close_session(request.session)
            await complete(engine, asked[0])
            assert engine.counts["moved_sessions"] == 0

    asyncio.run(run())


def test_sessions_of_a_dead_replica_move_and_it_is_used_again(tiny: dict[str, Path]) -> None:
    async def run() -> None:
        async with (
            several(tiny["student"], 2) as servers,
            engine_over(tiny["student"], servers) as engine,
        ):
            asked = requests(6, length=30)
            want = await in_process(tiny["student"], asked)
            going = [asyncio.create_task(complete(engine, r)) for r in asked]
            while servers[0].seen["completions"] < 4:
                await asyncio.sleep(0.01)
            await servers[0].die()
            assert await asyncio.gather(*going) == want
            assert engine.counts["moved_sessions"] == 3
            assert engine.counts["lost_replicas"] == 1

            await servers[0].start()
            before = servers[0].seen["completions"]
            while servers[0].seen["completions"] == before:  # until the checks have passed
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            new = [
                Request(r.prompt_ids, GREEDY, 30, frozenset(), f"new{r.session}", 7) for r in asked
            ]
            assert await asyncio.gather(*(complete(engine, r) for r in new)) == want
            assert servers[0].seen["completions"] > before + 3

    asyncio.run(asyncio.wait_for(run(), 60))


def test_the_only_replica_may_die_and_come_back(tiny: dict[str, Path]) -> None:
    async def run() -> None:
        async with (
            running(tiny["student"], CONTEXT) as server,
            engine_over(tiny["student"], [server]) as engine,
        ):
            asked = requests(4)
            want = await in_process(tiny["student"], asked)
            going = [asyncio.create_task(complete(engine, r)) for r in asked]
            while server.seen["completions"] < 5:
                await asyncio.sleep(0.01)
            await server.die()
            await asyncio.sleep(1.0)
            await server.start()
            assert await asyncio.gather(*going) == want
            assert engine.counts["lost_replicas"] == 1
            assert engine.counts["moved_sessions"] == 0

    asyncio.run(asyncio.wait_for(run(), 60))


def test_a_replica_that_comes_back_as_another_model_gets_nothing(tiny: dict[str, Path]) -> None:
    async def run() -> None:
        impatient = replace(SERVE, patience_seconds=1.0)
        async with (
            running(tiny["student"], CONTEXT) as server,
            engine_over(tiny["student"], [server], impatient) as engine,
        ):
            going = asyncio.create_task(complete(engine, requests(1, length=400)[0]))
            while server.seen["completions"] < 2:
                await asyncio.sleep(0.01)
            await server.die()
            server.model, server.root = "other", None
            await server.start()
            with pytest.raises(EngineDown, match="serves 'other', not"):
                await going
            assert server.seen["completions"] == 2

    asyncio.run(run())


def test_without_any_replica_the_run_stops_after_its_patience(tiny: dict[str, Path]) -> None:
    async def run() -> None:
        impatient = replace(SERVE, patience_seconds=1.0)
        async with (
            several(tiny["student"], 2) as servers,
            engine_over(tiny["student"], servers, impatient) as engine,
        ):
            for server in servers:
                await server.die()
            results = await asyncio.gather(
                *(complete(engine, r) for r in requests(5)), return_exceptions=True
            )
            assert {type(r) for r in results} == {EngineDown}
            assert "no student server has answered for 1 s" in str(results[0])
            assert all(s.url in str(results[0]) for s in servers)

    asyncio.run(run())
