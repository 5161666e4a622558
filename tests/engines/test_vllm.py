"""The engine over HTTP against the in-process engine, over a server that fails as it is told to."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from tessy.config import SamplingConfig, ServeConfig
from tessy.engines import Completion, Request, complete
from tessy.engines.vllm.protocol import noise_seed
from tessy.errors import EngineError
from tests.engines.over_http import (
    CONTEXT,
    GREEDY,
    SERVE,
    engine_over,
    in_process,
    requests,
    several,
)
from tests.engines.server import Failure, running


@pytest.mark.parametrize("family", ["student", "teacher"])
def test_greedy_texts_equal_the_in_process_engines(tiny: dict[str, Path], family: str) -> None:
    async def run() -> None:
        asked = requests(6)
        want = await in_process(tiny[family], asked)
        async with (
            running(tiny[family], CONTEXT) as server,
            engine_over(tiny[family], [server]) as engine,
        ):
            assert await asyncio.gather(*(complete(engine, r) for r in asked)) == want
            assert engine.counts["requests"] == 6
            assert engine.counts["generated_tokens"] == 6 * 40
            assert engine.counts["prefill_tokens"] == sum(len(r.prompt_ids) for r in asked)
            assert engine.counts["retries"] == engine.counts["aborted"] == engine.in_flight == 0
            assert server.seen["cancelled"] == 0

    asyncio.run(run())


@pytest.mark.parametrize("stripped", [False, True])
def test_a_stop_id_ends_the_text_and_is_not_part_of_it(
    tiny: dict[str, Path], stripped: bool
) -> None:
    async def run() -> None:
        [request] = requests(1)
        [whole] = await in_process(tiny["student"], [request])
        stop = frozenset({whole.ids[10]})
        asked = Request(request.prompt_ids, GREEDY, 40, stop, "s0", 7)
        [want] = await in_process(tiny["student"], [asked])
        async with (
            running(tiny["student"], CONTEXT) as server,
            engine_over(tiny["student"], [server]) as engine,
        ):
            server.strips_stop_ids = stripped
            assert await complete(engine, asked) == want
            assert want.finish == "stop"
            assert engine.counts["generated_tokens"] == len(want.ids) + 1

    asyncio.run(run())


@pytest.mark.parametrize("min_chunk", [1, 4])
@pytest.mark.parametrize("after", [0, 5])
@pytest.mark.parametrize(
    ("kind", "status", "count"),
    [
        ("status", 500, "http_500"),
        ("status", 503, "http_503"),
        ("status", 429, "http_429"),
        ("error_event", 500, "http_500"),
        ("hang", 0, "stalled"),
        ("chatter", 0, "stalled"),
        ("drop", 0, "dropped"),
        ("unfinished", 0, "unfinished"),
        ("short", 0, "short"),
        ("garbage", 0, "garbled"),
    ],
)
def test_a_fault_loses_and_doubles_nothing(
    tiny: dict[str, Path], kind: Failure, status: int, count: str, after: int, min_chunk: int
) -> None:
    serve = replace(SERVE, stall_seconds=2.0) if count == "stalled" else SERVE

    async def run() -> None:
        asked = requests(4)
        want = await in_process(tiny["student"], asked)
        async with (
            running(tiny["student"], CONTEXT) as server,
            engine_over(tiny["student"], [server], serve) as engine,
        ):
            server.fail(kind, after, times=3, status=status)

            async def pieces(request: Request) -> Completion:
                ids: list[int] = []
                async with aclosing(engine.stream(request, min_chunk)) as chunks:
                    async for chunk in chunks:
                        assert len(chunk.ids) >= min_chunk or chunk.finish
                        ids += chunk.ids
                return Completion(tuple(ids), chunk.finish or "stop")

            assert await asyncio.gather(*(pieces(r) for r in asked)) == want
            assert engine.counts["retries"] == engine.counts[f"retried_{count}"] == 3
            assert server.seen[kind] == 3
            assert engine.counts["generated_tokens"] == 4 * 40  # what came is not asked for again

    asyncio.run(run())


def test_a_text_that_the_server_ends_on_its_own_goes_on(tiny: dict[str, Path]) -> None:
    async def run() -> None:
        [request] = requests(1)
        [want] = await in_process(tiny["student"], [request])
        async with (
            running(tiny["student"], CONTEXT) as server,
            engine_over(tiny["student"], [server]) as engine,
        ):
            server.own_stop_ids = frozenset({want.ids[7]})
            assert await complete(engine, request) == want
            assert engine.counts["retried_stopped"] == want.ids[:-1].count(want.ids[7])

    asyncio.run(run())


def test_closing_a_stream_reaches_the_server(tiny: dict[str, Path]) -> None:
    async def run() -> None:
        async with (
            running(tiny["student"], CONTEXT) as server,
            engine_over(tiny["student"], [server]) as engine,
        ):
            for request in requests(3, length=400):
                async with aclosing(engine.stream(request)) as chunks:
                    async for _ in chunks:
                        break
            task = asyncio.create_task(complete(engine, requests(1, length=400)[0]))
            while server.seen["completions"] < 5:  # with the start's probe
                await asyncio.sleep(0.01)
            task.cancel()
            while server.seen["cancelled"] < 4:
                await asyncio.sleep(0.01)
            assert engine.counts["aborted"] == 4
            assert engine.in_flight == 0

    asyncio.run(asyncio.wait_for(run(), 60))


def test_a_request_that_always_fails_is_given_up_and_others_go_on(tiny: dict[str, Path]) -> None:
    async def run() -> None:
        bad, *good = requests(4)
        want = await in_process(tiny["student"], good)
        async with (
            running(tiny["student"], CONTEXT) as server,
            engine_over(tiny["student"], [server]) as engine,
        ):
            server.fail("status", times=99, where=lambda prompt: prompt == list(bad.prompt_ids))
            failed = asyncio.create_task(complete(engine, bad))
            assert await asyncio.gather(*(complete(engine, r) for r in good)) == want
            with pytest.raises(EngineError, match=r"4 times in a row.*HTTP 500: told to fail"):
                await failed
            assert server.seen["status"] == 4

    asyncio.run(run())


def test_progress_begins_the_count_of_failures_anew(tiny: dict[str, Path]) -> None:
    async def run() -> None:
        [request] = requests(1)
        want = await in_process(tiny["student"], [request])
        async with (
            running(tiny["student"], CONTEXT) as server,
            engine_over(tiny["student"], [server]) as engine,
        ):
            server.fail("short", after=4, times=8)
            assert [await complete(engine, request)] == want
            assert engine.counts["retries"] == 8

    asyncio.run(run())


def test_a_server_that_returns_nothing_for_ever_is_no_endless_loop(tiny: dict[str, Path]) -> None:
    async def run() -> None:
        async with (
            running(tiny["student"], CONTEXT) as server,
            engine_over(tiny["student"], [server]) as engine,
        ):
            server.fail("short", after=0, times=99)
            with pytest.raises(EngineError, match="40 ids short"):
                await complete(engine, requests(1)[0])
            assert server.seen["short"] == 1 + SERVE.retries

    asyncio.run(run())


def test_a_refused_request_is_not_repeated_and_says_why(tiny: dict[str, Path]) -> None:
    async def run() -> None:
        async with (
            running(tiny["student"], CONTEXT) as server,
            engine_over(tiny["student"], [server]) as engine,
        ):
            server.max_model_len = 20
            with pytest.raises(EngineError, match="maximum context length is 20"):
                await complete(engine, requests(1)[0])
            server.max_model_len = CONTEXT
            outside = Request((30, 9999), GREEDY, 5, frozenset(), "s", 1)
            with pytest.raises(EngineError, match="HTTP 400: out of vocabulary"):
                await complete(engine, outside)
            assert engine.counts["retries"] == 0
            assert server.seen["completions"] == 3
            with pytest.raises(EngineError, match="does not fit"):
                await complete(engine, Request((30,) * 500, GREEDY, 13, frozenset(), "s", 1))

    asyncio.run(run())


def test_the_servers_prefix_cache_and_room_are_counted(tiny: dict[str, Path]) -> None:
    async def run() -> None:
        async with several(tiny["student"], 2) as servers:
            async with engine_over(tiny["student"], servers) as engine:
                assert engine.kv_tokens == 2 * 4096
                request = Request(tuple(range(20, 60)), GREEDY, 3, frozenset(), "s", 1)
                for _ in range(3):
                    await complete(engine, request)
            assert engine.counts["cached_tokens"] == 2 * 32
            async with engine_over(tiny["student"], servers, ServeConfig(kv_tokens=100)) as engine:
                assert engine.kv_tokens == 200

    asyncio.run(run())


def test_the_noise_of_two_stretches_differs_and_repeats(tiny: dict[str, Path]) -> None:
    seeds = {noise_seed(s, name, n) for s in (1, 2) for name in ("a#0", "a#1") for n in (5, 6)}
    assert len(seeds) == 8
    assert all(0 <= seed < 2**48 for seed in seeds)
    assert noise_seed(1, "a#0", 5) == noise_seed(1, "a#0", 5)

    async def run() -> None:
        async with (
            running(tiny["student"], CONTEXT) as server,
            engine_over(tiny["student"], [server]) as engine,
        ):
            server.fail("short", after=3)
            sampling = SamplingConfig(0.7, 0.8, 20)
            await complete(engine, Request((30, 31), sampling, 6, frozenset({4, 2}), "s", 9))
            first, second = server.bodies[-2:]
            assert first["seed"] == noise_seed(9, "s", 2)
            assert second["seed"] == noise_seed(9, "s", 5)
            assert (first["max_tokens"], second["max_tokens"]) == (6, 3)
            assert (first["temperature"], first["top_p"], first["top_k"]) == (0.7, 0.8, 20)
            assert first["stop_token_ids"] == [2, 4]
            assert first["skip_special_tokens"] is first["spaces_between_special_tokens"] is False
            assert second["prompt"][:2] == [30, 31]

    asyncio.run(run())
