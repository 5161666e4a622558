"""A span cut at a character keeps the ids that generated it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tessy.dialects import load_dialect
from tessy.dialects.base import Dialect
from tessy.repetition import repeats
from tessy.synthesis.alignment import Tail


@pytest.fixture(scope="module")
def dialect(tiny: dict[str, Path]) -> Dialect:
    return load_dialect("qwen3", tiny["student"])


def odd_ids(dialect: Dialect, text: str, seed: int) -> list[int]:
    """Ids of the text that are not what its tokenizer would choose: models sample such."""
    draw, ids, start = random.Random(seed), [], 0
    while start < len(text):
        end = start + draw.randint(1, 6)
        ids += dialect.encode(text[start:end])
        start = end
    return ids


@settings(max_examples=200, deadline=None)
@given(text=st.text(alphabet="abé漢🙂 \n.let the numbers", max_size=40), data=st.data())
def test_a_cut_span_decodes_to_its_text(dialect: Dialect, text: str, data: st.DataObject) -> None:
    ids = odd_ids(dialect, text, data.draw(st.integers(0, 99)))
    tail = Tail(dialect, {})
    for token in ids:
        tail.push(token)
        assert text.startswith(tail.text), "text never shows half a character"
    assert tail.text == text
    end = data.draw(st.integers(0, len(text)))
    kept = tail.cut(end)
    assert dialect.decode(kept) == text[:end]
    same = sum(1 for _ in iter(zip(kept, ids, strict=False)))
    first = next((i for i in range(same) if kept[i] != ids[i]), same)
    rest = dialect.decode(ids[: first + 1])
    assert first == len(kept) or len(rest) > end or not text.startswith(rest), "ids stay theirs"
    assert tail.cut(len(text)) == ids


@settings(max_examples=100, deadline=None)
@given(ids=st.lists(st.integers(5, 320), max_size=30))
def test_broken_bytes_become_text_in_the_end(dialect: Dialect, ids: list[int]) -> None:
    tail = Tail(dialect, {})
    for token in ids:
        tail.push(token)
    tail.finish()
    assert tail.cut(len(tail.text)) == ids
    assert ("\ufffd" in tail.text) == ("\ufffd" in dialect.decode(ids))


@given(block=st.text(alphabet="abc ", min_size=20, max_size=90), start=st.text(max_size=50))
def test_a_block_four_times_over_is_repetition(block: str, start: str) -> None:
    assert repeats(start + block * 4)
    assert repeats(start + "x" + "ab" * 40)


@given(st.text(alphabet="0123456789abcdef", min_size=21, max_size=60))
def test_three_times_is_not(block: str) -> None:
    assert not repeats("#" + "$" + block[:-1] + "@" + (block[:-1] + "@") * 2)
    assert not repeats("")
