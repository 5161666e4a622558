"""Slots never claim to hold what they do not."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tessy.engines.slots import Slots

IDS = st.lists(st.integers(0, 1), min_size=1, max_size=4)


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), IDS, st.integers(0, 9).map(lambda n: n == 0)), min_size=8
    )
)
def test_what_is_reused_is_what_was_fed_there(steps: list[tuple[str, list[int], bool]]) -> None:
    slots = Slots(2)
    cache: list[list[int]] = [[], []]  # what a model would hold
    for session, ids, closed in steps:
        slot = slots.take(session, busy=())
        assert slot is not None
        n = slots.reuse(slot, ids)
        assert n < len(ids) and cache[slot][:n] == ids[:n]
        cache[slot][n:] = ids[n:]  # stale ids beyond are overwritten or out of reach
        slots.ids[slot] += ids[n:]
        if closed:
            slots.release(session)


def test_the_session_unused_for_longest_gives_way_unless_it_is_busy() -> None:
    slots = Slots(2)
    a, b = slots.take("a", ()), slots.take("b", ())
    assert slots.take("a", ()) == a
    assert slots.take("c", {"a"}) == b and slots.evicted == 1
    assert slots.take("d", {"a", "c"}) is None
    assert slots.take("a", {"a", "c"}) == a
