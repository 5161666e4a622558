"""What a prompt costs to send: JSON written once, chunks as small as a front end can send."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from tessy.engines import Prompt

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
