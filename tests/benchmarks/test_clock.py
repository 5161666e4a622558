"""Virtual time passes only where tasks wait, and the same each time."""

from __future__ import annotations

import asyncio
import time

import pytest

from benchmarks.synthesis.clock import run_virtually


def test_waiting_takes_virtual_time_only() -> None:
    async def main() -> float:
        await asyncio.sleep(86_400)
        return asyncio.get_running_loop().time()

    began = time.process_time()
    assert run_virtually(main) == 86_400
    assert time.process_time() - began < 10


def test_timers_fire_at_their_times_and_in_their_order() -> None:
    async def main() -> list[tuple[str, float]]:
        loop = asyncio.get_running_loop()
        seen: list[tuple[str, float]] = []

        async def wait(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            seen.append((name, loop.time()))

        await asyncio.gather(wait("c", 3.5), wait("a", 0.001), wait("b", 2.0))
        return seen

    assert run_virtually(main) == [("a", 0.001), ("b", 2.0), ("c", 3.5)]


def test_tasks_that_wait_for_one_another_are_an_error() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(RuntimeError, match="no timer"):
        run_virtually(main)
