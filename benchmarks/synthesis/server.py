"""A simulated vLLM server: continuous batching, chunked prefill, prefix cache, a busy front end.

What it generates is scripted, so a step need not look at each row: rows that decode are counted,
and a row is touched only when a chunk of it is due. A step computes one token for each row that
decodes and spends what is left of its token budget on prompts, first come first served. When the
keys and values outgrow their room, the row that came last is preempted: it waits, and computes anew
what the prefix cache has dropped of it by then.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.synthesis.blocks import BLOCK, Room, blocks_of
from benchmarks.synthesis.times import ServerModel

WHOLE = 1 << 40  # a chunk so long is the whole completion, which is not streamed
LOW = 8  # a step with fewer rows than this is counted as a low batch

_State = Literal["waiting", "prefill", "decode", "gone"]


@dataclass(frozen=True)
class Script:
    """What a row will generate: `ids`, then a stop token if it stops by itself."""

    ids: Sequence[int]
    stops: bool

    @property
    def steps(self) -> int:
        return len(self.ids) + self.stops


@dataclass(eq=False, slots=True)
class Row:
    """A request on the server."""

    session: str
    prompt: Sequence[int]
    script: Script
    interval: int  # tokens a chunk
    deliver: Callable[[int, bool], None]  # told how many ids are at the client; is that all?
    state: _State = "waiting"
    aborted: bool = False
    at_abort: int = 0  # tokens it had made when its client gave it up
    made: int = 0  # tokens it had made when it last left the batch
    first: int = 0  # step that makes or made its next token after that
    todo: int = 0  # prompt tokens to compute yet
    due: int = -1  # step after which a chunk of it is sent


class Server:
    """One model on a virtual clock. Must be made inside the loop it runs on.

    `counts` has requests, generated (each token that a step computed, stop tokens included),
    prefill_tokens, aborts, abort_lag_tokens (generated after the client had given the row up),
    preempted and steps; `seconds` has busy and low, the latter in steps of fewer than `LOW` rows.
    """

    def __init__(self, model: ServerModel) -> None:
        self.counts: Counter[str] = Counter()
        self.seconds = {"busy": 0.0, "low": 0.0}
        self.room = Room(model.kv_tokens)
        self.in_flight = 0
        self.model = model
        self._loop = asyncio.get_running_loop()
        self._front_free = 0.0  # when the front end will have done what it has
        self._steps = 0  # finished ones
        self._stepping = False
        self._waiting: deque[Row] = deque()
        self._prefilling: list[Row] = []
        self._leaving: list[Row] = []
        self._decoding: dict[Row, None] = {}  # in the order of their admission
        self._context = 0  # tokens of all rows that decode
        self._growth = [0] * BLOCK  # rows that need a new block in steps of the same residue
        self._due: dict[int, list[Row]] = {}

    def submit(self, row: Row, text: bool = False) -> None:
        """Send a request; `text`: its prompt has to be tokenized."""
        front = self.model.front
        self.in_flight += 1
        self.counts["requests"] += 1
        cost = front.request + (len(row.prompt) * front.text_token if text else 0.0)
        self._through_front(cost, self._enqueue, row)

    def abort(self, row: Row) -> None:
        """Give a request up; it is out of the batch when the step after the message begins."""
        self.counts["aborts"] += 1
        self.in_flight -= row.state != "gone"
        row.aborted, row.at_abort = True, self.made(row)
        self._through_front(0.0, self._leave, row)

    def made(self, row: Row) -> int:
        """Tokens of a row that steps have computed."""
        return row.made + (self._steps - row.first if row.state == "decode" else 0)

    def _through_front(self, cost: float, then: Callable[[Row], None], row: Row) -> None:
        """Over the network, behind what the front end has to do, then call `then`."""

        def arrive() -> None:
            self._front_free = max(self._loop.time(), self._front_free) + cost * 1e-3
            self._loop.call_at(self._front_free, then, row)

        self._loop.call_later(self.model.front.network * 1e-3, arrive)

    def _enqueue(self, row: Row) -> None:
        if not row.aborted:
            self._waiting.append(row)
            if not self._stepping:
                self._begin()

    def _leave(self, row: Row) -> None:
        if row.state in ("prefill", "decode"):
            self._leaving.append(row)
            return
        self.counts["abort_lag_tokens"] += row.made - row.at_abort
        if row in self._waiting:
            self._waiting.remove(row)

    def _begin(self) -> None:
        """Choose what the next step computes; without work the server idles."""
        for row in self._leaving:
            self.counts["abort_lag_tokens"] += self.made(row) - row.at_abort
            if row.state != "gone":
                self._remove(row)
        self._leaving.clear()
        self._grow()
        n_prefill, context = self._prefill()
        self._stepping = bool(self._decoding or n_prefill)
        if self._stepping:
            n = len(self._decoding)
            ms = self.model.step(n + n_prefill, self._context + context)
            self.seconds["busy"] += ms * 1e-3
            if n + len(self._prefilling) < LOW:
                self.seconds["low"] += ms * 1e-3
            self._loop.call_later(ms * 1e-3, self._end, n)

    def _grow(self) -> None:
        """Blocks for the tokens that the decoding rows will add."""
        while not self.room.grow(self._growth[-self._steps % BLOCK]):
            last = next(reversed(self._decoding))
            self.counts["preempted"] += 1
            self._remove(last)
            last.state = "waiting"
            self._waiting.appendleft(last)

    def _prefill(self) -> tuple[int, int]:
        """Admit what fits; tokens of prompts in this step, and their context."""
        budget = self.model.step_tokens - len(self._decoding)
        while self._waiting and sum(r.todo for r in self._prefilling) < budget:
            row = self._waiting[0]
            ids = self._ids(row)
            known = self.room.take(row.session, ids)
            if known is None:
                break
            self._waiting.popleft()
            row.state, row.todo = "prefill", len(ids) - known
            self._prefilling.append(row)
        n = context = 0
        for row in self._prefilling:
            part = min(row.todo, budget - n)
            n += part
            row.todo -= part
            context += len(row.prompt) + row.made - row.todo if part else 0
        self.counts["prefill_tokens"] += n
        return n, context

    def _end(self, n_decoding: int) -> None:
        """A step is done: all rows of it have one more token."""
        index = self._steps
        self._steps += 1
        self.counts["steps"] += 1
        self._context += n_decoding
        ready = [row for row in self._prefilling if not row.todo]
        if ready:
            self._prefilling = [row for row in self._prefilling if row.todo]
            for row in ready:
                self._start(row, index)
        self.counts["generated"] += n_decoding + len(ready)
        self._send(index, n_decoding + len(ready))
        self._begin()

    def _start(self, row: Row, index: int) -> None:
        """A prompt is computed, and with it the row's next token."""
        row.state, row.first = "decode", index
        size = len(row.prompt) + row.made
        self._decoding[row] = None
        self._context += size
        self._growth[(size - index - 1) % BLOCK] += 1
        begins = row.made == 0 and row.interval != WHOLE
        self._schedule(row, index if begins else index + row.interval - 1)

    def _schedule(self, row: Row, index: int) -> None:
        """A chunk is due after that step, or after the last one of the row."""
        row.due = min(index, row.first + row.script.steps - row.made - 1)
        self._due.setdefault(row.due, []).append(row)

    def _send(self, index: int, n_tokens: int) -> None:
        """The front end takes in all tokens of the step, then sends the chunks that are due."""
        front, now = self.model.front, self._loop.time()
        self._front_free = max(now, self._front_free) + front.token * n_tokens * 1e-3
        for row in self._due.pop(index, ()):
            if row.due != index or row.state != "decode":
                continue  # it was aborted or preempted
            n = self.made(row)
            ended = n == row.script.steps
            if ended:
                self._remove(row)
                self.in_flight -= not row.aborted
            else:
                self._schedule(row, index + row.interval)
            if not row.aborted:
                self._front_free += front.chunk * 1e-3
                arrival = self._front_free + front.network * 1e-3
                self._loop.call_at(arrival, row.deliver, min(n, len(row.script.ids)), ended)

    def _remove(self, row: Row) -> None:
        """Out of the batch; what it computed stays in the prefix cache."""
        size = len(row.prompt) + row.made  # tokens whose blocks it holds
        if row.state == "prefill":
            self._prefilling.remove(row)
            computed = size - row.todo
        else:
            made = self.made(row)
            del self._decoding[row]
            self._growth[(size - row.first - 1) % BLOCK] -= 1
            self._context -= size + self._steps - 1 - row.first
            size += made - row.made - 1  # the last token was never fed
            row.made, computed = made, size
        row.state, row.due = "gone", -1
        self.room.give(row.session, self._ids(row), computed, blocks_of(size))

    def _ids(self, row: Row) -> Sequence[int]:
        """Prompt and what was made of the completion."""
        return (*row.prompt, *row.script.ids[: row.made]) if row.made else row.prompt
