"""Outputs that are near each other, so that checkers have something to decide."""

from __future__ import annotations

from hypothesis import strategies as st

SPACES = st.sampled_from([" ", "  ", "\t", "\n", "\r\n", "\r", "\n\n", " \n ", "\v", "\f", ""])
NUMBERS = ["1", "1.0", "-0", "0", "1e-7", "0.0000011", "0.1", "1000000", "1000001", "1e400"]
WORDS = ["inf", "nan", "a", "A", "ab", "1_0", "é", "yes", "\x85", "\xa0", "\x1c"]
TOKENS = st.sampled_from([*NUMBERS, *WORDS])
TEXTS = st.lists(st.tuples(SPACES, TOKENS), max_size=7).flatmap(
    lambda parts: SPACES.map(lambda end: "".join(s + t for s, t in parts) + end)
)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """An output and an answer that differ in few places, or in none."""
    answer = draw(TEXTS)
    output = answer
    for _ in range(draw(st.integers(0, 2))):
        where = draw(st.integers(0, len(output)))
        cut = draw(st.integers(0, 2))
        output = output[:where] + draw(st.one_of(SPACES, TOKENS)) + output[where + cut :]
    return output.encode(), answer.encode()
