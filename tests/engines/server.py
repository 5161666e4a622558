"""A server that speaks vLLM's HTTP over a real tiny model, and fails as it is told to.

    async with running(tiny["student"]) as server:       # on this event loop
        server.fail("drop", after=3, times=2)
    with threaded(tiny["student"]) as server:            # on a thread, for code that runs its own
        server.call(server.die())

What it claims and can is set by the attributes of `Claims`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from aiohttp import web

from tessy.config import EngineConfig, SamplingConfig
from tessy.engines import Request
from tessy.engines.in_process import InProcessEngine
from tests.engines.claims import BLOCK, Claims

Failure = Literal[
    "status", "hang", "chatter", "drop", "unfinished", "short", "error_event", "garbage"
]
ROWS = 32


@dataclass
class Planned:
    """A failure of the next completions."""

    kind: Failure
    after: int  # ids that are sent before it
    times: int
    status: int
    where: Callable[[list[int]], bool]


class TinyServer(Claims):
    """One replica. `seen` counts what reached it: completions, cancelled, failures by kind."""

    def __init__(self, folder: Path, max_model_len: int = 512) -> None:
        super().__init__(folder, max_model_len)
        self.prompts: list[list[int]] = []  # of the completions, the start's probes too
        self.bodies: list[dict[str, Any]] = []
        self.port = 0
        self._engine = InProcessEngine(
            folder, EngineConfig("transformers", "cpu", ROWS, 1), max_model_len, ROWS
        )
        self._planned: list[Planned] = []
        self._number = itertools.count()
        self._runner: web.AppRunner | None = None
        self._open: dict[int, web.Request] = {}
        self._cached: set[int] = set()  # blocks of prompts
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def fail(
        self,
        kind: Failure,
        after: int = 0,
        times: int = 1,
        status: int = 500,
        where: Callable[[list[int]], bool] = lambda prompt: len(prompt) > 1,
    ) -> None:
        """Let the next `times` completions fail whose prompts satisfy `where`.

        Args:
            kind: status: answer with `status`; hang: send no more; chatter: only comments, as a
                proxy may; drop: reset the connection; unfinished: end without a finish_reason;
                short: say `length` too early; error_event: an error of code `status`; garbage.
            after: ids that are sent before that (not of kind status).
            where: by default all but the checks, whose prompt is one id.
        """
        self._planned.append(Planned(kind, after, times, status, where))

    async def start(self) -> None:
        """Listen, on the port of an earlier start if there was one."""
        app = web.Application(client_max_size=1 << 26)
        app.router.add_get("/health", self.health)
        app.router.add_get("/v1/models", self.models)
        app.router.add_get("/metrics", self.metrics)
        app.router.add_post("/tokenize", self.tokenize)
        app.router.add_post("/v1/completions", self._completions)
        self._loop = asyncio.get_running_loop()
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.01)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def die(self) -> None:
        """Reset all connections and listen no more; `start` brings it back with an empty cache."""
        runner, self._runner = self._runner, None
        for request in list(self._open.values()):
            if request.transport is not None:
                request.transport.abort()
        if runner is not None:
            await runner.cleanup()
        self._cached.clear()

    async def aclose(self) -> None:
        await self.die()
        await self._engine.aclose()

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run `die()` or `start()` of a threaded server, from outside its thread."""
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _completions(self, request: web.Request) -> web.StreamResponse:
        self.allowed(request)
        asked = await request.json()
        prompt = (
            asked["prompt"] if isinstance(asked["prompt"], list) else self.encode(asked["prompt"])
        )
        self.seen["completions"] += 1
        self.prompts.append(prompt)
        self.bodies.append(asked)
        planned = self._plan(prompt)
        if planned is not None and planned.kind == "status":
            return _problem(planned.status, self.words)
        if asked["model"] != self.model:
            return _problem(404, f"The model `{asked['model']}` does not exist.")
        if len(prompt) + asked["max_tokens"] > (self.max_model_len or 1 << 30):
            return _problem(
                400, f"this model's maximum context length is {self.max_model_len} tokens"
            )
        if not asked.get("stream"):
            choice = {"text": "", "prompt_token_ids": prompt if self.returns_token_ids else None}
            return web.json_response({"choices": [choice]})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        self._open[id(request)] = request
        ended = [False]
        try:
            if max(prompt) >= self.vocabulary:
                await _send(response, {"error": {"message": "out of vocabulary", "code": 400}})
            else:
                await self._generate(request, response, asked, prompt, planned, ended)
            await response.write(b"data: [DONE]\n\n")
            await response.write_eof()
        except asyncio.CancelledError:
            self.seen["cancelled"] += not ended[0]
            raise
        except ConnectionError:  # the client had gone before the cancellation came
            self.seen["cancelled"] += not ended[0]
        finally:
            del self._open[id(request)]
        return response

    def _plan(self, prompt: list[int]) -> Planned | None:
        for planned in self._planned:
            if planned.times > 0 and planned.where(prompt):
                planned.times -= 1
                self.seen[planned.kind] += 1
                return planned
        return None

    async def _generate(
        self,
        request: web.Request,
        response: web.StreamResponse,
        asked: dict[str, Any],
        prompt: list[int],
        planned: Planned | None,
        ended: list[bool],
    ) -> None:
        """Send the events of one completion; `ended` says when its last one is on its way."""
        self._cache(prompt)
        session = str(next(self._number))
        sampling = SamplingConfig(
            asked["temperature"], asked.get("top_p", 1), asked.get("top_k", 0)
        )
        stop_ids = frozenset(asked.get("stop_token_ids") or ()) | self.own_stop_ids
        if not asked.get("ignore_eos"):
            stop_ids |= {self.tokenizer.eos_token_id}
        wanted = Request(
            tuple(prompt), sampling, asked["max_tokens"], frozenset(), session, asked.get("seed", 0)
        )
        sent, first = 0, True
        interval = asked.get("stream_interval") or 1
        async with aclosing(self._stopped(wanted, stop_ids, interval)) as pieces:
            async for ids, reason, stop in pieces:
                if planned is not None and sent + len(ids) >= planned.after:
                    ids = ids[: planned.after - sent]
                    if ids:
                        await self._event(response, ids, prompt if first else None)
                    ended[0] = planned.kind not in ("hang", "chatter")
                    await self._break(request, response, planned)
                    return
                ended[0] = reason is not None
                await self._event(response, ids, prompt if first else None, reason, stop)
                sent, first = sent + len(ids), False
        await self._engine.close_session(session)

    async def _stopped(
        self, wanted: Request, stop_ids: frozenset[int], interval: int
    ) -> AsyncIterator[tuple[list[int], str | None, int | None]]:
        """Ids, finish_reason and stop_reason; the stop id is the last of the ids, as on vLLM."""
        async with aclosing(self._engine.stream(wanted, interval)) as chunks:
            async for chunk in chunks:
                ids = list(chunk.ids)
                end = next((i for i, token in enumerate(ids) if token in stop_ids), None)
                if end is not None:
                    yield ids[: end + (not self.strips_stop_ids)], "stop", ids[end]
                    return
                yield ids, chunk.finish, None

    async def _event(
        self,
        response: web.StreamResponse,
        ids: list[int],
        prompt: list[int] | None,
        reason: str | None = None,
        stop: int | None = None,
    ) -> None:
        choice: dict[str, Any] = {"index": 0, "text": self.tokenizer.decode(ids), "logprobs": None}
        choice |= {"finish_reason": reason, "stop_reason": stop}
        if self.returns_token_ids:
            choice |= {"prompt_token_ids": prompt, "token_ids": ids}
        await _send(response, {"id": "cmpl", "object": "text_completion", "choices": [choice]})

    async def _break(
        self, request: web.Request, response: web.StreamResponse, planned: Planned
    ) -> None:
        if planned.kind == "hang":
            await asyncio.sleep(3600)
        elif planned.kind == "chatter":
            while True:
                await response.write(b": still here\n\n")
                await asyncio.sleep(0.1)
        elif planned.kind == "drop":
            assert request.transport is not None
            request.transport.abort()
            raise ConnectionResetError
        elif planned.kind == "short":
            await self._event(response, [], None, "length")
        elif planned.kind == "error_event":
            await _send(response, {"error": {"message": self.words, "code": planned.status}})
        elif planned.kind == "garbage":
            await response.write(b'data: {"choices": [{"token_ids": ["x"]}]}\n\n')

    def _cache(self, prompt: list[int]) -> None:
        """Count the ids of full blocks that were in an earlier prompt after the same ids."""
        block = 0
        for end in range(BLOCK, len(prompt) + 1, BLOCK):
            block = hash((block, *prompt[end - BLOCK : end]))
            self.seen["hits"] += BLOCK * (block in self._cached)
            self._cached.add(block)


def _problem(status: int, words: str) -> web.Response:
    error = {"message": words, "type": "Error", "param": None, "code": status}
    return web.json_response({"error": error}, status=status)


async def _send(response: web.StreamResponse, event: dict[str, Any]) -> None:
    await response.write(b"data: " + json.dumps(event).encode() + b"\n\n")


@contextlib.asynccontextmanager
async def running(folder: Path, max_model_len: int = 512) -> AsyncIterator[TinyServer]:
    """A server on the event loop of the test."""
    server = TinyServer(folder, max_model_len)
    await server.start()
    try:
        yield server
    finally:
        await server.aclose()


@contextlib.contextmanager
def threaded(folder: Path, max_model_len: int = 512) -> Iterator[TinyServer]:
    """A server on a thread of its own."""
    server = TinyServer(folder, max_model_len)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.start(), loop).result(30)
    try:
        yield server
    finally:
        server.call(server.aclose())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()
