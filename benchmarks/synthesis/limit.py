"""The limit: what any orchestration could reach on the same servers at most.

Every sample that is admitted always decodes a token that is kept. It lies in the batch of the model
whose token is next; when that changes it moves at once, in the middle of a step if need be, and its
whole context is there. No front end, network, predictor, prompt or wasted token costs time. So a
server with n rows and so many tokens of context gives each row one token a step(n, context), and
the steps change whenever a row comes, goes or grows. Samples beyond those in flight are admitted as
others end. This is a fluid limit: rows do not wait for a step to end. In `oracle` they do.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from itertools import islice

from benchmarks.synthesis.measure import WHOLE_RUN, Window
from benchmarks.synthesis.times import Step
from benchmarks.synthesis.world import PROMPT, Sample, World
from tessy.records import Writer


class _Fluid:
    """A server whose rows all progress alike: a row's end is a place on their common progress."""

    def __init__(self, step: Step) -> None:
        self.rows: list[tuple[float, int]] = []  # heap of (progress at its end, sample)
        self.progress = 0.0  # tokens a row that was there from the start would have
        self.context = 0.0
        self._step = step

    def wait(self) -> float:
        """Seconds until the first row has what it came for."""
        if not self.rows:
            return float("inf")
        return (self.rows[0][0] - self.progress) * self.pace()

    def pace(self) -> float:
        """Seconds a token of each row."""
        return self._step(len(self.rows), int(self.context)) * 1e-3

    def run(self, seconds: float) -> None:
        if self.rows:
            tokens = seconds / self.pace()
            self.progress += tokens
            self.context += tokens * len(self.rows)


def limit(
    world: World, steps: dict[Writer, Step], in_flight: int, window: Window = WHOLE_RUN
) -> float:
    """Kept tokens a second within the window."""
    servers = {w: _Fluid(step) for w, step in steps.items()}
    waiting = deque(enumerate(world.samples))
    rest: dict[int, Iterator[tuple[Writer, int]]] = {}
    held: dict[int, int] = {}  # context of each live sample
    now = kept = 0.0

    def move(number: int) -> None:
        turn = next(rest[number], None)
        if turn is not None:
            server = servers[turn[0]]
            heapq.heappush(server.rows, (server.progress + turn[1], number))
            server.context += held[number]
            held[number] += turn[1]
        elif waiting:
            admit()

    def admit() -> None:
        number, sample = waiting.popleft()
        rest[number] = islice(turns(sample), sample.begun, None)
        held[number] = PROMPT + sample.reached
        move(number)

    for _ in range(min(in_flight, len(waiting))):
        admit()
    while any(s.rows for s in servers.values()):
        first = min(servers.values(), key=_Fluid.wait)
        seconds = first.wait()
        inside = max(0.0, min(now + seconds, window.until) - max(now, window.since))
        kept += inside * sum(len(s.rows) / s.pace() for s in servers.values())
        for server in servers.values():
            server.run(seconds)
        now += seconds
        if now >= window.until:
            break
        first.progress, number = heapq.heappop(first.rows)
        first.context -= held[number]
        move(number)
    return kept / (min(now, window.until) - window.since)


def turns(sample: Sample) -> Iterator[tuple[Writer, int]]:
    """Who writes how many tokens, in turn."""
    for writer, places in sample.spans():
        yield writer, places.stop - places.start
    yield "student", len(sample.answer)
