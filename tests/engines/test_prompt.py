"""What a prompt costs to send: JSON written once, chunks as small as a front end can send."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from tessy.engines import Prompt
from tessy.engines.vllm.protocol import MAX_INTERVAL, chunk_interval

ids = st.lists(st.integers(0, 200_000), max_size=8)


@given(ids, st.lists(ids, max_size=6))
def test_the_json_of_a_prompt_is_that_of_its_ids_however_it_grew(
    first: list[int], parts: list[list[int]]
) -> None:
    prompt = Prompt(first)
    want = list(first)
    assert json.loads(prompt.json()) == want
    for part in parts:
        prompt += part
        want += part
        assert prompt == want
        assert json.loads(prompt.json()) == want


def test_chunks_grow_with_the_load_unless_they_are_configured() -> None:
    assert [chunk_interval(0, n, 1) for n in (1, 123, 124, 190)] == [1, 1, 2, 3]
    assert [chunk_interval(2, n, 1) for n in (1, 190)] == [2, 2]
    assert chunk_interval(0, 1, 20) == 20
    assert chunk_interval(0, 1, 100_000) == MAX_INTERVAL
