"""Who may go on, when the engines cannot hold the keys and values of all."""

from __future__ import annotations

import asyncio
import random

from hypothesis import given
from hypothesis import strategies as st

from tessy.synthesis.admission import Admission


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_no_bound_lets_everyone_go_on_at_once() -> None:
    async def run() -> None:
        gate = Admission(0)
        for n in range(100):
            await gate.turn(f"s{n}", 10**9)
        assert not gate.counts

    asyncio.run(run())


def test_the_younger_wait_and_go_on_when_room_is_free() -> None:
    async def run() -> None:
        gate = Admission(1000)
        await gate.turn("old", 400)
        await gate.turn("middle", 400)
        young = asyncio.create_task(gate.turn("young", 200))
        younger = asyncio.create_task(gate.turn("younger", 10))
        await settle()
        assert not young.done() and not younger.done(), "200 more exceed 90 %, nobody overtakes"
        await gate.turn("old", 800)  # the oldest goes on whatever it holds
        middle = asyncio.create_task(gate.turn("middle", 410))
        await settle()
        assert not middle.done() and gate.counts["parked"] == 1
        gate.leave("old")
        await settle()
        assert middle.done() and young.done() and younger.done()

    asyncio.run(run())


@given(
    room=st.integers(50, 400),
    goals=st.lists(st.integers(1, 300), min_size=1, max_size=12),
    seed=st.integers(0, 9),
)
def test_all_end_whatever_they_need_and_live_tokens_stay_within_the_room(
    room: int, goals: list[int], seed: int
) -> None:
    """Each sample grows by up to 10 tokens a span until it reaches its goal."""
    gate, ended = Admission(room), []
    held: dict[str, int] = {}
    draw = random.Random(seed)

    async def sample(name: str, goal: int) -> None:
        tokens = 1
        while tokens < goal:
            held.pop(name, None)  # between two spans nothing of it need stay
            await gate.turn(name, tokens)
            held[name] = tokens
            assert len(held) == 1 or sum(held.values()) <= room + max(goals)
            await asyncio.sleep(0)
            tokens += draw.randint(1, 10)
        del held[name]
        gate.leave(name)
        ended.append(name)

    async def run() -> None:
        tasks = [sample(f"s{n}", goal + 1) for n, goal in enumerate(goals)]
        await asyncio.wait_for(asyncio.gather(*tasks), 20)

    asyncio.run(run())
    assert len(ended) == len(goals)


def test_a_sample_that_is_cancelled_while_it_waits_leaves_the_queue() -> None:
    async def run() -> None:
        gate = Admission(100)
        await gate.turn("a", 90)
        waiting = asyncio.create_task(gate.turn("b", 50))
        await settle()
        waiting.cancel()
        await settle()
        gate.leave("b")
        gate.leave("a")
        await asyncio.wait_for(gate.turn("c", 80), 5)

    asyncio.run(run())
