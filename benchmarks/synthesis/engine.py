"""The simulated parts behind the real interfaces: an engine and a boundary predictor."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.synthesis.server import Row, Server
from benchmarks.synthesis.times import PREDICTOR_MS, ServerModel
from benchmarks.synthesis.world import World, label_of, next_label_of
from tessy.engines import Chunk, Request
from tessy.engines.vllm.protocol import chunk_interval
from tessy.records import Writer

ODDS = 8.0  # a predictor that is sure


class SimulatedEngine:
    """A client of one simulated server, as `tessy.engines.base.Engine`."""

    def __init__(self, world: World, writer: Writer, model: ServerModel) -> None:
        self.server = Server(model)
        self.counts = self.server.counts
        self.kv_tokens = model.kv_tokens
        self._world, self._writer = world, writer
        self._live: dict[Row, int] = {}  # and how many of its tokens would be kept

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

        configured = self.server.model.front.stream_interval
        interval = chunk_interval(configured, self.server.in_flight, min_chunk)
        row = Row(request.session, tuple(request.prompt_ids), script, interval, deliver)
        self._live[row] = self._world.right(self._writer, request)
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
            del self._live[row]
            if not ended:
                self.server.abort(row)

    def unfinished(self) -> dict[str, int]:
        """By session, tokens that were generated for it and would be kept, but are not yet."""
        return {r.session: min(self.server.made(r), right) for r, right in self._live.items()}

    async def close_session(self, session: str) -> None:
        """Nothing: a vLLM server has no such request, it forgets what is used least."""

    async def aclose(self) -> None:
        """Nothing to close."""


@dataclass(frozen=True)
class _Question:
    answer: list[list[float]]
    asked: float
    done: asyncio.Future[list[list[float]]]


class SimulatedPredictor:
    """Knows the label of each word, after a batch's time, as `tessy.boundary.spans.Judge`.

    A word is one token, whose id says in its first bit what it is and in its second what the next
    one is. The released predictors label the next token (`label_shift` 1).

    Questions that arrive while a batch runs form the next one. `counts` has calls and steps
    (batches), `seconds` is what all questions waited in sum.
    """

    window = 200
    threaded = True

    def __init__(self, batch_ms: float = PREDICTOR_MS, label_shift: int = 1) -> None:
        self.label_shift = label_shift
        self.cut: Literal["before_word", "after_word"] = (
            "after_word" if label_shift else "before_word"
        )
        self.counts: Counter[str] = Counter()
        self.seconds = 0.0
        self._batch = batch_ms * 1e-3
        self._loop = asyncio.get_running_loop()
        self._asked: list[_Question] = []
        self._encoded: dict[str, list[int]] = {}
        self._busy = False

    def encode(self, word: str) -> list[int]:
        """Remembered, as the real predictor remembers words."""
        ids = self._encoded.get(word)
        if ids is None:
            ids = [(label_of(word) == "style") + 2 * (next_label_of(word) == "style")]
            self._encoded[word] = ids
        return ids

    def close_session(self, session: str) -> None:
        """Nothing is held."""

    def read(
        self, session: str, ids: list[int], lengths: Sequence[int]
    ) -> asyncio.Future[list[list[float]]]:
        answer = [[ODDS if i & 1 else -ODDS] for i in ids[len(ids) - len(lengths) :]]
        if self.label_shift:
            answer.append([ODDS if ids[-1] & 2 else -ODDS])
        question = _Question(answer, self._loop.time(), self._loop.create_future())
        self._asked.append(question)
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._start)  # after all that became ready together have asked
        return question.done

    def _start(self) -> None:
        batch, self._asked = self._asked, []
        self._busy = bool(batch)
        if batch:
            self._loop.call_later(self._batch, self._deliver, batch)

    def _deliver(self, batch: list[_Question]) -> None:
        self.counts["steps"] += 1
        self.counts["calls"] += len(batch)
        for question in batch:
            self.seconds += self._loop.time() - question.asked
            if not question.done.done():
                question.done.set_result(question.answer)
        self._start()
