"""The simulated parts behind the real interfaces: an engine and a boundary predictor."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Sequence

from benchmarks.synthesis.server import Row, Server
from benchmarks.synthesis.times import PREDICTOR_MS, ServerModel
from benchmarks.synthesis.world import World, label_of
from tessy.engines import Chunk, Request
from tessy.records import Writer

_ODDS = 8.0  # a predictor that is sure


class SimulatedEngine:
    """A client of one simulated server, as `tessy.engines.base.Engine`."""

    def __init__(self, world: World, writer: Writer, model: ServerModel) -> None:
        self.server = Server(model)
        self.kv_tokens = model.kv_tokens
        self._world, self._writer = world, writer

    @property
    def counts(self) -> Counter[str]:
        return self.server.counts

    @property
    def in_flight(self) -> int:
        return self.server.in_flight

    async def stream(self, request: Request, min_chunk: int = 1) -> AsyncGenerator[Chunk, None]:
        """The scripted tokens, when they arrive."""
        loop = asyncio.get_running_loop()
        script = self._world.script(self._writer, request)
        arrived, ended, taken = 0, False, 0
        news: asyncio.Future[None] = loop.create_future()

        def deliver(n: int, last: bool) -> None:
            nonlocal arrived, ended
            arrived, ended = n, last
            if (ended or arrived - taken >= min_chunk) and not news.done():
                news.set_result(None)

        interval = self.server.model.front.stream_interval
        row = Row(request.session, request.prompt_ids, script, interval, deliver)
        self.server.submit(row)
        try:
            while True:
                await news
                news = loop.create_future()
                ids, taken = tuple(script.ids[taken:arrived]), arrived
                if ended:
                    yield Chunk(ids, "stop" if script.stops else "length")
                    return
                yield Chunk(ids, None)
        finally:
            if not ended:
                self.server.abort(row)

    async def close_session(self, session: str) -> None:
        """Nothing: a vLLM server has no such request, it forgets what is used least."""

    async def aclose(self) -> None:
        """Nothing to close."""


class SimulatedPredictor:
    """Knows the label of each word, after a batch's time.

    Questions that arrive while a batch runs form the next one. `counts` has calls and steps
    (batches), `seconds` the time that all questions waited in sum.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.seconds = 0.0
        self._loop = asyncio.get_running_loop()
        self._asked: list[tuple[asyncio.Future[list[float]], list[float], float]] = []
        self._running = False

    def encode(self, word: str) -> list[int]:
        return [int(label_of(word) == "style")]

    def close_session(self, session: str) -> None:
        """Nothing is held."""

    async def log_odds(self, session: str, ids: Sequence[int], n_new: int) -> list[float]:
        odds = [_ODDS if i else -_ODDS for i in ids[len(ids) - n_new :]]
        future: asyncio.Future[list[float]] = self._loop.create_future()
        self._asked.append((future, odds, self._loop.time()))
        if not self._running:
            self._running = True
            self._loop.call_soon(self._begin)  # after all that became ready together have asked
        return await future

    def _begin(self) -> None:
        batch, self._asked = self._asked, []
        self._running = bool(batch)
        if batch:
            self._loop.call_later(PREDICTOR_MS * 1e-3, self._end, batch)

    def _end(self, batch: list[tuple[asyncio.Future[list[float]], list[float], float]]) -> None:
        self.counts["steps"] += 1
        self.counts["calls"] += len(batch)
        for future, odds, asked in batch:
            self.seconds += self._loop.time() - asked
            if not future.done():
                future.set_result(odds)
        self._begin()
