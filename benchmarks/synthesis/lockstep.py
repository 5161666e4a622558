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
from dataclasses import dataclass

from benchmarks.synthesis.clock import run_virtually
from benchmarks.synthesis.measure import Figures, figures
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


def lockstep(world: World, models: dict[Writer, ServerModel], in_flight: int) -> Figures:
    """Make all samples of the world, `in_flight` in the pool."""

    async def main() -> Figures:
        servers = {w: Server(m) for w, m in models.items()}
        waiting = deque(world.samples)
        pool: list[_Live] = []
        received = 0
        while waiting or pool:
            while waiting and len(pool) < in_flight:
                sample = waiting.popleft()
                prompts = world.prompts[sample.task.session]
                pool.append(_Live(sample, {w: list(ids) for w, ids in prompts.items()}))
            scripts = [_draft(live) for live in pool]
            await asyncio.gather(
                *(_ask(servers[r.writer], r, s) for r, s in zip(pool, scripts, strict=True))
            )
            received += sum(s.steps for s in scripts)
            await asyncio.sleep(PREDICTOR_MS * 1e-3 * len({live.writer for live in pool}))
            closed = [r for r, s in zip(pool, scripts, strict=True) if _accept(r, s)]
            answers = [Script(live.sample.answer, True) for live in closed]
            await asyncio.gather(
                *(_ask(servers["student"], r, s) for r, s in zip(closed, answers, strict=True))
            )
            received += sum(s.steps for s in answers)
            pool = [live for live in pool if live not in closed]
        kept = sum(s.tokens for s in world.samples)
        return figures(servers, kept, kept + 2 * len(world.samples), received)

    return run_virtually(main)


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
