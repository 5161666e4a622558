"""Which samples go on: their keys and values must fit what the engines hold.

Samples that evict each other's prefixes pay for them again at every switch. So as many go on as
fit, in the order in which they began; the others wait between two spans. The oldest never waits.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter

_FULL = 0.985  # share of the room that live prefixes may take: what is being written needs some too
_GROWTH = 0.95  # share up to which one more may begin or go on: those that go on grow


class Admission:
    """Tokens of the samples in flight, against `kv_tokens` of room; 0 is no bound."""

    def __init__(self, kv_tokens: int) -> None:
        self.counts: Counter[str] = Counter()
        self._room = kv_tokens
        self._age = itertools.count()
        self._ages: dict[str, int] = {}  # of all that began and have not ended
        self._live: dict[str, int] = {}  # tokens of those that go on
        self._waiting: dict[str, tuple[int, asyncio.Future[None]]] = {}

    async def turn(self, session: str, tokens: int) -> None:
        """Wait until a sample of so many tokens may go on; asked before each of its spans."""
        if not self._room:
            return
        if session not in self._ages:
            self._ages[session] = next(self._age)
        if session in self._live:
            self._live[session] = tokens
            if self._fits(session):
                return
            del self._live[session]
            self.counts["parked"] += 1
        turn = asyncio.get_running_loop().create_future()
        self._waiting[session] = tokens, turn
        self._let_in()
        await turn

    def leave(self, session: str) -> None:
        """The sample has ended, however it did: its room is free."""
        self._ages.pop(session, None)
        self._live.pop(session, None)
        self._waiting.pop(session, None)
        self._let_in()

    def _fits(self, session: str) -> bool:
        """Whether the older ones leave room for it; the younger will wait at their next turn."""
        if sum(self._live.values()) <= _FULL * self._room:
            return True
        age = self._ages[session]
        older = sum(n for s, n in self._live.items() if self._ages[s] < age)
        return not older or older + self._live[session] <= _FULL * self._room

    def _let_in(self) -> None:
        """Let those that wait go on, the oldest first, while there is room."""
        for session in sorted(self._waiting, key=self._ages.__getitem__):
            tokens, turn = self._waiting[session]
            if self._live and sum(self._live.values()) + tokens > _GROWTH * self._room:
                return
            del self._waiting[session]
            self._live[session] = tokens
            if not turn.done():
                turn.set_result(None)
