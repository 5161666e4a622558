"""Characters and token ids of a span that is still being written.

Boundaries are character offsets, models continue token ids. `Tail` keeps both for the ids that one
model generates, so that a span can be cut at a character and what stays keeps its own ids.
"""

from __future__ import annotations

from tessy.dialects.base import Dialect

# A character has at most four bytes, so as many tokens that still decode to a broken one are no
# character in the making: they are kept as the replacement characters that they are.
_LONGEST = 4
_BROKEN = "�"


class Tail:
    """The ids that a model generated since its turn began, and their text."""

    def __init__(self, dialect: Dialect, texts: dict[int, str]) -> None:
        self.ids: list[int] = []
        self.text = ""
        self._dialect = dialect
        self._texts = texts  # of ids that are whole characters; shared by a dialect's tails
        self._ends: list[int] = []  # where the text of each id ends; fewer than ids while broken

    def push(self, token: int) -> None:
        """Append a generated id; its text may have to wait for the rest of a character."""
        self.ids.append(token)
        waiting = self.ids[len(self._ends) :]
        piece = self._texts.get(token) if len(waiting) == 1 else None
        if piece is None:
            piece = self._dialect.decode(waiting)
            if piece.endswith(_BROKEN) and len(waiting) < _LONGEST:
                return
            if len(waiting) == 1:
                self._texts[token] = piece
        self.text += piece
        self._ends += [len(self.text)] * len(waiting)

    def finish(self) -> None:
        """The writer ends here: what was waiting for the rest of a character is text now."""
        waiting = self.ids[len(self._ends) :]
        if waiting:
            self.text += self._dialect.decode(waiting)
            self._ends += [len(self.text)] * len(waiting)

    def cut(self, end: int) -> list[int]:
        """Ids of the first `end` characters: the generated ones, encoded anew only within a token.

        An id of whose text a part is cut off goes with it; what is left of its text is encoded.
        """
        n = len(self._ends)
        while n and self._ends[n - 1] > end:
            n -= 1
        kept = self._ends[n - 1] if n else 0
        rest = self.text[kept:end]
        return self.ids[:n] + (self._dialect.encode(rest) if rest else [])
