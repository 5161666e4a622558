"""The transformers engine: continuous batching in this process, on CPU or one GPU.

One task steps the model while there is work: requests come in and leave between two steps. It runs
on the event loop itself, since on the CPU the model and the coroutines that use it share a core.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path

import torch

from tessy.config import EngineConfig
from tessy.engines.base import Chunk, EngineFinish, Request
from tessy.engines.noise import stream_key, token_keys
from tessy.engines.rows import Feed, RowModel
from tessy.engines.sampling import Draw, choose
from tessy.engines.slots import Slots
from tessy.errors import EngineError

_STEP_TOKENS = 4096  # tokens that one step feeds at most, so that long prompts take turns
# Rounds of the event loop between two steps: consumers see a step's tokens, ask the predictor, and
# abort or switch before the next step. Fewer would only generate tokens to throw away.
_ROUNDS = 5


@dataclass(eq=False)
class _Job:
    request: Request
    min_chunk: int
    key: int
    ids: list[int]  # prompt and completion
    slot: int = -1
    fed: int = 0  # how many of `ids` the slot holds
    new: list[int] = field(default_factory=list)  # generated, not yet handed out
    finish: EngineFinish | None = None
    error: BaseException | None = None
    wake: asyncio.Future[None] | None = None

    def notify(self) -> None:
        if self.wake is not None and not self.wake.done():
            self.wake.set_result(None)


class InProcessEngine:
    """Generates with one model for many sessions at once."""

    def __init__(
        self, folder: Path, config: EngineConfig, max_context: int, n_sessions: int
    ) -> None:
        if config.threads > 0:
            torch.set_num_threads(config.threads)
        n_slots = max(n_sessions, config.batch_size)
        self.model = RowModel(folder, "text", config.device, n_slots, max_context)
        self.counts: Counter[str] = Counter()
        self.kv_tokens = 0
        self._batch_size = config.batch_size
        self._tokens = token_keys(self.model.model.config.vocab_size, self.model.device)
        self._slots = Slots(n_slots)
        self._waiting: deque[_Job] = deque()
        self._running: dict[str, _Job] = {}  # by session
        self._task: asyncio.Task[None] | None = None

    async def stream(self, request: Request, min_chunk: int = 1) -> AsyncGenerator[Chunk, None]:
        """See `tessy.engines.base.Engine.stream`."""
        self._check(request)
        job = _Job(
            request, min_chunk, stream_key(request.seed, request.session), list(request.prompt_ids)
        )
        self.counts["requests"] += 1
        self._waiting.append(job)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())
        try:
            while True:
                if job.finish is None and len(job.new) < min_chunk:
                    job.wake = asyncio.get_running_loop().create_future()
                    await job.wake
                if job.error is not None:
                    raise job.error
                ids, job.new = tuple(job.new), []
                finish = job.finish
                yield Chunk(ids, finish)
                if finish is not None:
                    return
        finally:
            self._drop(job)

    async def close_session(self, session: str) -> None:
        self._slots.release(session)

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def in_flight(self) -> int:
        return len(self._running) + len(self._waiting)

    def _check(self, request: Request) -> None:
        request.check("the engine", self.model.max_context)
        session = request.session
        if session in self._running or any(j.request.session == session for j in self._waiting):
            raise EngineError(
                f"session {session!r} has two requests at once", "close the first one"
            )

    def _drop(self, job: _Job) -> None:
        """Take a job out, whether it ended or was aborted."""
        if self._running.get(job.request.session) is job:
            del self._running[job.request.session]
        elif job in self._waiting:
            self._waiting.remove(job)

    async def _work(self) -> None:
        """Step until there is nothing to do; a fault of the model goes to all who wait for it."""
        try:
            while self._waiting or self._running:
                self._admit()
                if any(j.finish is None for j in self._running.values()):
                    self._step()
                for _ in range(_ROUNDS):
                    await asyncio.sleep(0)
        except Exception as error:
            for job in (*self._running.values(), *self._waiting):
                job.error = error
                job.notify()

    def _admit(self) -> None:
        """Give waiting requests rows and slots, first come first served."""
        while self._waiting and len(self._running) < self._batch_size:
            job = self._waiting.popleft()
            session = job.request.session
            slot = self._slots.take(session, self._running)
            assert slot is not None, "there are at least as many slots as rows"
            job.slot, job.fed = slot, self._slots.reuse(slot, job.ids)
            self.counts["reused_tokens"] += job.fed
            self._running[session] = job

    def _step(self) -> None:
        """Feed every running row its next tokens, and draw where all are fed."""
        feeds, rows, room = [], [], _STEP_TOKENS
        for job in self._running.values():
            todo = len(job.ids) - job.fed
            n = 1 if todo == 1 else min(todo, room)
            if job.finish is not None or n <= 0:
                continue
            room -= n
            feeds.append(Feed(job.slot, job.fed, job.ids[job.fed : job.fed + n]))
            rows.append(job)
        logits = self.model.forward(feeds)
        self.counts["steps"] += 1
        ready = []
        for i, (job, feed) in enumerate(zip(rows, feeds, strict=True)):
            if len(job.ids) - job.fed > 1:
                self.counts["prefill_tokens"] += len(feed.ids)
            job.fed += len(feed.ids)
            self._slots.ids[job.slot] += feed.ids
            if job.fed == len(job.ids):
                ready.append(i)
        if len(ready) < len(rows):
            logits = logits[ready]
        self._draw([rows[i] for i in ready], logits)

    @torch.inference_mode()
    def _draw(self, jobs: list[_Job], logits: torch.Tensor) -> None:
        if not jobs:
            return
        draws = [Draw(j.request.sampling, j.key, len(j.ids)) for j in jobs]
        drawn, close = choose(logits, draws, self._tokens)
        for job, draw, token, unsure in zip(jobs, draws, drawn, close, strict=True):
            if unsure and self.model.exact:
                self.counts["near_ties"] += 1
                [token], _ = choose(self.model.alone(job.ids), [draw], self._tokens)
            self._append(job, token)

    def _append(self, job: _Job, token: int) -> None:
        request = job.request
        self.counts["generated_tokens"] += 1
        if token in request.stop_ids:
            job.finish = "stop"
        else:
            job.ids.append(token)
            job.new.append(token)
            if len(job.ids) == len(request.prompt_ids) + request.max_tokens:
                job.finish = "length"
        if job.finish is not None or len(job.new) >= job.min_chunk:
            job.notify()
