"""Chunks are as small as the front end of a server can send them."""

from __future__ import annotations

import pytest

from tessy.engines.vllm.load import MAX_CHUNK, Load


@pytest.mark.parametrize(
    ("tokens", "chunk"), [(0, 1), (3999, 1), (4000, 2), (11_999, 3), (10**9, MAX_CHUNK)]
)
def test_chunks_grow_with_the_tokens_a_second(tokens: int, chunk: int) -> None:
    now = 0.0
    load = Load(lambda: now)
    load.add(tokens // 2)
    assert load.chunk(0, 1) == 1  # a moment says little
    now = 1.0
    load.add(tokens - tokens // 2)
    assert load.chunk(0, 1) == chunk


def test_what_is_configured_or_waited_for_decides() -> None:
    load = Load(lambda: 0.0)
    assert [load.chunk(n, 1) for n in (2, 100)] == [2, 100]
    assert [load.chunk(0, n) for n in (20, 100_000)] == [20, MAX_CHUNK]


def test_what_was_a_second_ago_does_not_count() -> None:
    now = 0.0
    load = Load(lambda: now)
    load.add(100_000)
    now = 1.0
    load.add(0)
    assert load.chunk(0, 1) > 20
    now = 2.0
    load.add(1)
    assert load.chunk(0, 1) == 1
