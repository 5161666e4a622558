"""The paper's public script as an orchestrator: a pool in lock step.

In each round every sample of the pool asks its writer for k tokens, 10 of the teacher and 5 of the
student, with its whole text as the prompt, which the server tokenizes anew. When the slowest answer
is there, each predictor judges its samples in one batch, one predictor after the other; a span is
cut before the first wrong token and the writer changes. Samples whose thinking has ended get their
final answers in the same round, for which all others wait; then new samples take their places.
Prompts hit the prefix cache as ours do. The script's own work takes no time, although it tokenizes
everything in the client too; both are in the script's favour.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from benchmarks.synthesis.clock import run_virtually
from benchmarks.synthesis.measure import WHOLE_RUN, Figures, Tokens, Window, figures
from benchmarks.synthesis.server import WHOLE, Row, Script, Server
from benchmarks.synthesis.times import PREDICTOR_MS, ServerModel
from benchmarks.synthesis.world import Sample, World
from tessy.records import Writer

DRAFT: dict[Writer, int] = {"student": 5, "teacher": 10}  # k of the script
_OTHER: dict[Writer, Writer] = {"student": "teacher", "teacher": "student"}


@dataclass(eq=False)
class _Live:
    sample: Sample
    text: dict[Writer, list[int]]  # prompt and thinking so far, as each model's tokens
    writer: Writer = "student"
    place: int = 0  # tokens of thinking
    span: int = 0  # which one is being written

    @property
    def session(self) -> str:
        return self.sample.task.session


def lockstep(
    world: World, models: dict[Writer, ServerModel], in_flight: int, window: Window = WHOLE_RUN
) -> Figures:
    """Make the samples of the world, `in_flight` in the pool."""

    async def main() -> Figures:
        pool = _Pool(world, {w: Server(m) for w, m in models.items()}, in_flight)
        return await window.watch(pool.run(), lambda: figures(pool.servers, pool.tokens))

    return run_virtually(main)


class _Pool:
    """The samples in flight; `tokens` are those of all rounds so far."""

    def __init__(self, world: World, servers: Mapping[Writer, Server], in_flight: int) -> None:
        self.servers, self.tokens = servers, Tokens(0, 0, 0)
        self._world, self._in_flight = world, in_flight
        self._waiting = deque(world.samples)
        self._live: list[_Live] = []

    async def run(self) -> None:
        while self._waiting or self._live:
            while self._waiting and len(self._live) < self._in_flight:
                self._live.append(_enter(self._world, self._waiting.popleft()))
            await self._round()

    async def _round(self) -> None:
        live, before = self._live, sum(r.place for r in self._live)
        drafts = [_draft(r) for r in live]
        await self._ask([r.writer for r in live], live, drafts)
        await asyncio.sleep(PREDICTOR_MS * 1e-3 * len({r.writer for r in live}))
        closed = [r for r, d in zip(live, drafts, strict=True) if _accept(r, d)]
        answers = [Script(r.sample.answer, True) for r in closed]
        await self._ask(["student"] * len(closed), closed, answers)
        kept = sum(r.place for r in live) - before + sum(len(a.ids) for a in answers)
        self.tokens = Tokens(
            self.tokens.kept + kept,
            self.tokens.wanted + kept + 2 * len(closed),
            self.tokens.received + sum(s.steps for s in (*drafts, *answers)),
        )
        self._live = [r for r in live if r not in closed]

    async def _ask(
        self, writers: Sequence[Writer], live: Sequence[_Live], scripts: Sequence[Script]
    ) -> None:
        """Requests whose responses come whole; the slowest is waited for."""
        await asyncio.gather(
            *(_ask(self.servers[w], r, s) for w, r, s in zip(writers, live, scripts, strict=True))
        )


def _enter(world: World, sample: Sample) -> _Live:
    """A sample from where an earlier run left it."""
    text = {w: list(ids) for w, ids in world.prompts[sample.task.session].items()}
    for writer, places in islice(sample.spans(), sample.begun):
        for ids in text.values():
            ids += sample.thinking[writer][places]
    next_writer: Writer = "teacher" if sample.begun % 2 else "student"
    return _Live(sample, text, next_writer, sample.reached, sample.begun)


def _draft(live: _Live) -> Script:
    """What the writer makes of the next k tokens."""
    thinking = live.sample.thinking[live.writer]
    n = DRAFT[live.writer]
    return Script(thinking[live.place : live.place + n], len(thinking) - live.place < n)


async def _ask(server: Server, live: _Live, script: Script) -> None:
    """One request whose response comes whole."""
    done = asyncio.get_running_loop().create_future()
    prompt = tuple(live.text[live.writer])
    row = Row(live.session, prompt, script, WHOLE, lambda n, ended: done.set_result(None))
    server.submit(row, text=True)
    await done


def _accept(live: _Live, draft: Script) -> bool:
    """Keep a draft up to the first token that the other should have written; is that the end?"""
    ends, n = live.sample.ends, len(draft.ids)
    mine: Writer = "teacher" if live.span % 2 else "student"
    right = ends[live.span] - live.place if n and mine == live.writer else 0
    kept = min(n, right)
    for ids in live.text.values():
        ids += draft.ids[:kept]
    live.place += kept
    if kept and live.place == ends[live.span]:
        live.span += 1
    if kept < n:
        live.writer = _OTHER[live.writer]
    return kept == n and draft.stops
