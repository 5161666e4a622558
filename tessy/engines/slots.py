"""Which session's keys and values lie in which row of the cache."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container, Sequence


class Slots:
    """Rows of a cache, lent to sessions; the one unused for longest is taken back first."""

    def __init__(self, n: int) -> None:
        self.ids: list[list[int]] = [[] for _ in range(n)]  # what each slot's cache holds
        self.evicted = 0
        self._free = list(range(n - 1, -1, -1))
        self._of: OrderedDict[str, int] = OrderedDict()  # least recently used first

    def take(self, session: str, busy: Container[str]) -> int | None:
        """The session's slot, or a new one; None when all others belong to `busy` sessions."""
        if session in self._of:
            self._of.move_to_end(session)
            return self._of[session]
        if not self._free:
            idle = next((s for s in self._of if s not in busy), None)
            if idle is None:
                return None
            self.release(idle)
            self.evicted += 1
        slot = self._of[session] = self._free.pop()
        return slot

    def release(self, session: str) -> None:
        """Free the session's slot, if it has one."""
        slot = self._of.pop(session, None)
        if slot is not None:
            self.ids[slot] = []
            self._free.append(slot)

    def reuse(self, slot: int, ids: Sequence[int]) -> int:
        """Keep of a slot what is a prefix of `ids`; return its length.

        The last of `ids` is always left to be fed, since its output is wanted.
        """
        held = self.ids[slot]
        n = min(len(held), len(ids) - 1)
        if held[:n] != list(ids[:n]):
            n = next(i for i in range(n) if held[i] != ids[i])
        del held[n:]
        return n
