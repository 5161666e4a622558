"""The simulated server keeps to its time model: step times, chunks and caches computed by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from benchmarks.synthesis.clock import run_virtually
from benchmarks.synthesis.server import WHOLE, Row, Script, Server
from benchmarks.synthesis.times import FrontEnd, ServerModel, student_step, teacher_step

FRONT = FrontEnd(stream_interval=2)
Arrivals = list[tuple[float, int, bool]]  # milliseconds, ids there, the last


def test_steps_take_the_stated_times() -> None:
    assert student_step(1, 0) == pytest.approx(5.8)
    assert student_step(1000, 100_000) == pytest.approx(1.5 + 33 + 3.8)
    assert teacher_step(1, 0) == pytest.approx(2.5 + 1.5 + 11.5 / 32)
    assert teacher_step(2000, 100_000) == pytest.approx(2.5 + 60 + 0.96)


def serve(
    asked: Sequence[tuple[float, str, range, int]],
    kv_tokens: int = 100_000,
    interval: int = 2,
    step_tokens: int = 8192,
    then: Callable[[Server, dict[str, Row]], None] = lambda server, rows: None,
) -> tuple[Server, dict[str, Arrivals]]:
    """Requests (milliseconds, session, prompt, tokens to make), served to their ends."""
    model = ServerModel(student_step, kv_tokens, FRONT, step_tokens)

    async def main() -> tuple[Server, dict[str, Arrivals]]:
        loop, server = asyncio.get_running_loop(), Server(model)
        arrivals: dict[str, Arrivals] = {}
        rows: dict[str, Row] = {}
        for at, session, prompt, n in asked:
            seen = arrivals.setdefault(session, [])

            def deliver(n: int, ended: bool, seen: Arrivals = seen) -> None:
                seen.append((loop.time() * 1e3, n, ended))

            row = Row(session, tuple(prompt), Script(range(n), False), interval, deliver)
            rows[session] = row
            loop.call_at(at * 1e-3, server.submit, row)
        then(server, rows)
        await asyncio.sleep(60)
        return server, arrivals

    return run_virtually(main)


def test_one_request_by_hand() -> None:
    """Network, front end, a step for the prompt and its token, then a step a token."""
    server, arrivals = serve([(0.0, "a", range(100), 4)])
    first = 0.3 + 1.0 + student_step(100, 100)
    third = first + student_step(1, 100) + student_step(1, 101)
    fourth = third + student_step(1, 102)
    sent = 0.02 + 0.12 + 0.3
    assert arrivals["a"] == [
        (pytest.approx(first + sent), 1, False),
        (pytest.approx(third + sent), 3, False),
        (pytest.approx(fourth + sent), 4, True),
    ]
    assert server.counts["generated"] == 4
    assert server.counts["prefill_tokens"] == 100
    assert server.seconds["busy"] == pytest.approx((fourth - 1.3) * 1e-3)


def test_a_row_that_comes_later_joins_the_next_step_and_shares_the_front_end() -> None:
    server, arrivals = serve(
        [(0.0, "a", range(32), 3), (2.0, "b", range(50, 82), 1)], interval=WHOLE
    )
    first = 1.3 + student_step(32, 32)
    second = first + student_step(1 + 32, 32 + 32)
    third = second + student_step(1, 33)
    assert arrivals["b"] == [(pytest.approx(second + 0.02 * 2 + 0.12 + 0.3), 1, True)]
    assert arrivals["a"] == [(pytest.approx(third + 0.02 + 0.12 + 0.3), 3, True)]
    assert server.counts["steps"] == 3


def test_a_long_prompt_is_computed_in_parts() -> None:
    server, arrivals = serve([(0.0, "a", range(250), 1)], step_tokens=100)
    done = 1.3 + student_step(100, 100) + student_step(100, 200) + student_step(50, 250)
    assert arrivals["a"] == [(pytest.approx(done + 0.02 + 0.12 + 0.3), 1, True)]
    assert server.counts["steps"] == 3


def test_full_blocks_of_a_known_prefix_are_not_computed_again() -> None:
    """The completion counts too, but its last token was never fed."""
    prompt = range(100)
    longer = (*prompt, *range(12), *range(900, 903))
    assert longer[:100] == tuple(prompt)
    server, _ = serve([(0.0, "a", prompt, 13), (1000.0, "a", longer, 1)])  # type: ignore[list-item]
    assert server.counts["prefill_tokens"] == 100 + (115 - 112)
    server, _ = serve([(0.0, "a", prompt, 12), (1000.0, "a", longer, 1)])  # type: ignore[list-item]
    assert server.counts["prefill_tokens"] == 100 + (115 - 96)
    other = (*range(40), *range(500, 600))
    server, _ = serve([(0.0, "a", prompt, 13), (1000.0, "a", other, 1)])  # type: ignore[list-item]
    assert server.counts["prefill_tokens"] == 100 + (140 - 32)


def test_what_was_used_least_recently_makes_room() -> None:
    """Room for 20 blocks: the third session drops the end of the first, not the second."""
    asked = [(0.0, "a", range(128), 1), (100.0, "b", range(200, 328), 1)]
    asked += [(200.0, "c", range(400, 528), 1), (300.0, "b", range(200, 330), 1)]
    server, _ = serve(asked, kv_tokens=320)
    assert server.room.evicted == 4 + 1  # four blocks for c, one for what is added to b
    assert server.counts["prefill_tokens"] == 3 * 128 + 2


def test_rows_that_outgrow_the_room_are_preempted_and_still_end() -> None:
    asked = [(0.0, "a", range(100), 200), (0.0, "b", range(300, 400), 200)]
    server, arrivals = serve(asked, kv_tokens=400)
    assert server.counts["preempted"] > 0
    assert [arrivals[s][-1][1:] for s in "ab"] == [(200, True), (200, True)]
    assert server.counts["generated"] == 400
    assert server.room.used == 0
    assert server.in_flight == 0


def test_an_abort_ends_a_row_with_the_step_in_which_it_arrives() -> None:
    def abort(server: Server, rows: dict[str, Row]) -> None:
        at = 1.3 + student_step(100, 100) + student_step(1, 100) + 1.0  # in the third step
        asyncio.get_running_loop().call_at(at * 1e-3, lambda: server.abort(rows["a"]))

    server, arrivals = serve([(0.0, "a", range(100), 1000)], then=abort)
    assert server.counts["generated"] == 3
    assert server.counts["abort_lag_tokens"] == 1
    assert [n for _, n, _ in arrivals["a"]] == [1]
    assert server.room.used == 0
    assert server.in_flight == 0
