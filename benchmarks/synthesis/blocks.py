"""Room for keys and values: blocks of 16 tokens, those of finished requests kept for reuse.

As in vLLM: only full blocks are reused, and when room is short the blocks that were freed first go
first, the end of a sequence before its beginning. A session's sequence is held once; where a new
prompt leaves it, what follows is dropped.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

BLOCK = 16  # tokens


def blocks_of(tokens: int) -> int:
    return -(-tokens // BLOCK)


class Room:
    """Blocks of one server: used by rows that run, or idle."""

    def __init__(self, tokens: int) -> None:
        self.size = tokens // BLOCK
        self.used = 0
        self.idle = 0
        self.evicted = 0  # blocks that were dropped while a session could still have reused them
        self._idle: OrderedDict[str, tuple[Sequence[int], int]] = OrderedDict()  # ids, blocks

    def take(self, session: str, ids: Sequence[int]) -> int | None:
        """Blocks for a sequence; how many of its tokens need not be computed, None without room.

        At least the last token is computed, since its output is wanted.
        """
        need = blocks_of(len(ids))
        if self.used + need > self.size:
            return None
        held = self._idle.pop(session, None)
        known = 0
        if held is not None:
            self.idle -= held[1]
            known = min(_common(held[0], ids), held[1] * BLOCK, len(ids) - 1) // BLOCK * BLOCK
        self.used += need
        self._evict()
        return known

    def grow(self, blocks: int) -> bool:
        """More blocks for rows that run; False if they do not fit."""
        if self.used + blocks > self.size:
            return False
        self.used += blocks
        self._evict()
        return True

    def give(self, session: str, ids: Sequence[int], computed: int, blocks: int) -> None:
        """A row has ended: its `blocks` become idle, the full ones with what they hold.

        Args:
            session: whose.
            ids: its tokens.
            computed: of how many of them keys and values were computed.
            blocks: that the row used.
        """
        self.used -= blocks
        self.forget(session)
        self._idle[session] = ids, computed // BLOCK
        self.idle += computed // BLOCK

    def forget(self, session: str) -> None:
        self.idle -= self._idle.pop(session, ((), 0))[1]

    def _evict(self) -> None:
        while (over := self.used + self.idle - self.size) > 0:
            session, (ids, blocks) = next(iter(self._idle.items()))
            n = min(over, blocks)
            self.idle -= n
            self.evicted += n
            if n == blocks:
                del self._idle[session]
            else:
                self._idle[session] = ids, blocks - n


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    """Length of the common prefix of two sequences of the same type."""
    end = min(len(a), len(b))
    step = BLOCK  # they differ near the end of the shorter one, if at all
    while a[:end] != b[:end]:
        start = max(0, end - step)
        if a[:start] == b[:start]:
            return next(i for i in range(start, end) if a[i] != b[i])
        end, step = start, step * 2
    return end
