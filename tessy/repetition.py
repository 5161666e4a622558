"""Text that goes round in circles."""

from __future__ import annotations

_BLOCK = 20  # characters that a repeated block has at least
_TIMES = 4  # so often in a row is degenerate
REACH = 4000  # characters back that a block may have begun


def repeats(text: str) -> bool:
    """Whether the text ends in one block of 20 or more characters, 4 times in a row."""
    if len(text) < _BLOCK * _TIMES:
        return False
    tail = text[-REACH:]
    before = tail.rfind(tail[-_BLOCK:], 0, len(tail) - 1)
    if before < 0:
        return False
    period = len(tail) - _BLOCK - before
    block = period * -(-_BLOCK // period)  # shorter blocks are repeated to the shortest length
    length = block * _TIMES
    return len(tail) >= length and tail[-length:-period] == tail[-length + period :]
