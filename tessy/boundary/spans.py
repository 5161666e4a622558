"""Where a span must end: who should have written this word (paper, section 3.2).

The window that a predictor sees starts at a fixed place before the span, and words are encoded one
by one, so a word's label depends on the text up to its end and not on how that text was cut into
drafts or chunks. The label of a word is the sign of the sum of its tokens' log-odds, and a span
ends before the first word of the other's (`cut=before_word`). The released script judges tokens,
and where the first wrong one stands within a word, the span ends after it (`cut=after_word`).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Literal, Protocol

from tessy.boundary.words import closed_words, words

Label = Literal["style", "capability"]
_STRIDE = 64  # the window moves in such steps, so that most spans find its start in the cache


class Judge(Protocol):
    """What a span is read with: `tessy.boundary.predict.Predictor`."""

    window: int
    cut: Literal["before_word", "after_word"]
    label_shift: int
    threaded: bool  # it computes while the event loop goes on
    counts: Counter[str]

    def encode(self, word: str) -> list[int]: ...

    def read(
        self, session: str, ids: list[int], lengths: Sequence[int]
    ) -> asyncio.Future[list[list[float]]]: ...

    def close_session(self, session: str) -> None: ...


class Context:
    """The thinking so far as a predictor's tokens, append-only."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._ids: list[int] = []

    def extend(self, span: str) -> None:
        """Append an accepted span."""
        for word in words(span):
            self._ids += self._judge.encode(word)

    def window(self) -> list[int]:
        """The ids before a span that begins here: `judge.window` of them at most."""
        beyond = max(0, len(self._ids) - self._judge.window)
        return self._ids[-(-beyond // _STRIDE) * _STRIDE :]


class SpanReader:
    """Judges one span as it grows.

    A word is judged when it is closed, or, where outputs label the next token, by the first of its
    tokens when it begins. With `judge.threaded` the predictor reads an open word ahead, as it is so
    far: if it closes so, its label is known at once. Neither changes where a span ends.

    Args:
        judge: the predictor of the role that writes the span.
        session: names the sample.
        window: ids of the context, `Context.window` at the start of the span.
        wrong: the label that ends the span.
        free: so many words at its start are accepted whatever their label.
    """

    def __init__(
        self, judge: Judge, session: str, window: list[int], wrong: Label, free: int = 0
    ) -> None:
        self.judged = 0  # characters of the span in words that may stay
        self._judge, self._session = judge, session
        self._ids = window
        self._sign = 1.0 if wrong == "style" else -1.0
        self._free = free
        self._early = judge.label_shift == 1 and judge.cut == "after_word"
        self._next: float | None = None  # log-odds of the token after `_ids`, if `_early`
        # What is read ahead: how many of `_ids` stood before it, its own ids, its log-odds.
        self._ahead: tuple[int, list[int], asyncio.Future[list[list[float]]]] | None = None

    async def must_end(self, text: str, ended: bool = False) -> bool:
        """Whether the span must end after its first `judged` characters.

        Args:
            text: the span so far, from its beginning.
            ended: its writer ends here, so its last word is closed.
        """
        new = closed_words(text, self.judged, ended)
        begun = text[self.judged + sum(map(len, new)) :].strip() != ""
        wanted = new or (begun and self._early and self._next is None)
        if wanted and await self._judge_words(new):
            return True
        if begun and self._early and not self._free and self._sign * (self._next or 0.0) > 0:
            return True
        if begun and self._judge.threaded:
            self._read_ahead(text[self.judged :])
        return False

    def close(self) -> None:
        """The span has ended: what is read ahead is not wanted."""
        if self._ahead is not None:
            self._ahead[2].cancel()

    async def _judge_words(self, new: Sequence[str]) -> bool:
        pieces = [self._judge.encode(word) for word in new]
        odds = await self._read(pieces)
        for word, piece, of_word in zip(new, pieces, odds, strict=False):
            wrong = self._first_wrong(of_word)
            if self._free:
                self._free -= 1
            elif wrong == 0:
                return True
            elif wrong is not None:
                self.judged += len(word)
                return True
            self._ids += piece
            self.judged += len(word)
        if self._early:
            self._next = odds[-1][0]
        return False

    async def _read(self, pieces: list[list[int]]) -> list[list[float]]:
        if len(pieces) == 1 and (ahead := self._ahead_of(pieces[0])) is not None:
            return await ahead
        ids = self._ids + [i for piece in pieces for i in piece]
        if not ids:  # nothing comes before the first word
            return [[0.0]]
        return await self._judge.read(self._session, ids, [len(piece) for piece in pieces])

    def _ahead_of(self, piece: list[int]) -> asyncio.Future[list[list[float]]] | None:
        """The log-odds that are read ahead, if they are of this after `_ids`."""
        if self._ahead is None:
            return None
        n_before, ids, odds = self._ahead
        return odds if n_before == len(self._ids) and ids == piece else None

    def _read_ahead(self, word: str) -> None:
        piece = self._judge.encode(word)
        if self._ahead_of(piece) is None:
            self.close()
            read = self._judge.read(self._session, self._ids + piece, [len(piece)])
            self._ahead = len(self._ids), piece, read

    def _first_wrong(self, odds: list[float]) -> int | None:
        """The token of a word that ends the span; 0 for the word as a whole."""
        if self._judge.cut == "before_word":
            return 0 if self._sign * sum(odds) > 0 else None
        for n, log_odds in enumerate(odds):
            if self._sign * log_odds > 0:
                return n
        return None
