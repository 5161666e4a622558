"""Reading boundary predictors: who should have written this word (paper, section 3.2).

A predictor is a token classifier (label 1: style, 0: capability); the label of a token is read at
that token and so sees nothing after it. A word's label is the sign of the sum of its tokens'
log-odds. The window starts at a fixed place before the span, and words are encoded one by one, so
a word's label depends on the text up to its end and not on how that text was cut into drafts.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tessy.boundary.words import closed_words, words
from tessy.checkpoints import locate
from tessy.engines.rows import Feed, RowModel
from tessy.engines.slots import Slots
from tessy.errors import CheckpointError

Label = Literal["style", "capability"]
WINDOW = 200  # tokens of context before a span, at most (the paper's released script)
_STRIDE = 64  # the window moves in such steps, so that most spans find its start in the cache
_MARGIN = 1e-3  # log-odds nearer to zero are computed anew, alone: rounding must not decide


@dataclass(eq=False)
class _Call:
    session: str
    ids: list[int]  # context, span so far and the words to judge
    n_new: int  # how many of them are to be labelled
    done: asyncio.Future[list[float]]


class Predictor:
    """A token classifier that labels the new words of many samples at once."""

    def __init__(
        self, folder: Path, device: Literal["auto", "cpu", "cuda"], n_sessions: int
    ) -> None:
        self.model = RowModel(folder, "labels", device, n_sessions, 0)
        if self.model.model.config.num_labels != 2:
            raise CheckpointError(
                f"the predictor in {folder} has {self.model.model.config.num_labels} labels, not 2",
                "give the folder of a boundary predictor",
            )
        self.counts: Counter[str] = Counter()
        self._tokenizer = _tokenizer(folder)
        self._encoded: dict[str, list[int]] = {}
        self._slots = Slots(n_sessions)
        self._calls: list[_Call] = []

    def encode(self, word: str) -> list[int]:
        """Token ids of one word; common words are remembered."""
        ids = self._encoded.get(word)
        if ids is None:
            ids = self._tokenizer.encode(word, add_special_tokens=False)
            if len(self._encoded) < 100_000:
                self._encoded[word] = ids
        return ids

    def close_session(self, session: str) -> None:
        self._slots.release(session)

    async def log_odds(self, session: str, ids: Sequence[int], n_new: int) -> list[float]:
        """Log-odds of style against capability at the last `n_new` of `ids`."""
        loop = asyncio.get_running_loop()
        call = _Call(session, list(ids), n_new, loop.create_future())
        if not self._calls:
            loop.call_soon(self._flush)  # after all that became ready together have asked
        self._calls.append(call)
        return await call.done

    def _flush(self) -> None:
        calls, self._calls = self._calls, []
        try:
            while calls:
                calls = self._label(calls)
        except Exception as error:
            for call in calls:
                if not call.done.done():
                    call.done.set_exception(error)

    def _label(self, calls: list[_Call]) -> list[_Call]:
        """Answer as many calls as there are slots; return the others."""
        taken: dict[str, _Call] = {}
        feeds, later = [], []
        for call in calls:
            slot = None if call.session in taken else self._slots.take(call.session, taken)
            if slot is None:
                later.append(call)
                continue
            taken[call.session] = call
            # All new ids are fed again even if the cache holds some: their labels are wanted.
            known = self._slots.reuse(slot, call.ids[: len(call.ids) - call.n_new + 1])
            feeds.append(Feed(slot, known, call.ids[known:]))
            self._slots.ids[slot] += call.ids[known:]
        odds = self._odds(self.model.forward(feeds))
        self.counts["steps"] += 1
        self.counts["calls"] += len(feeds)
        start = 0
        for call, feed in zip(taken.values(), feeds, strict=True):
            start += len(feed.ids)
            if not call.done.done():  # a cancelled sample no longer waits
                call.done.set_result(odds[start - call.n_new : start])
        return later

    def alone(self, ids: Sequence[int], n_new: int) -> list[float]:
        """The same for one text by itself: its rounding depends on nothing else."""
        return self._odds(self.model.alone(ids))[-n_new:]

    @staticmethod
    def _odds(logits: Any) -> list[float]:
        return (logits[:, 1] - logits[:, 0]).tolist()


class Context:
    """The thinking so far as a predictor's tokens, append-only."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._ids: list[int] = []

    def extend(self, span: str) -> None:
        """Append an accepted span."""
        for word in words(span):
            self._ids += self._predictor.encode(word)

    def window(self) -> list[int]:
        """The ids before a span that begins here: `WINDOW` of them at most."""
        beyond = max(0, len(self._ids) - WINDOW)
        return self._ids[-(-beyond // _STRIDE) * _STRIDE :]


class SpanReader:
    """Judges one span as it grows.

    Args:
        predictor: of the role that writes the span.
        session: names the sample.
        window: ids of the context, `Context.window` at the start of the span.
        wrong: the label that ends the span.
        free: so many words at its start are accepted whatever their label.
    """

    def __init__(
        self, predictor: Predictor, session: str, window: list[int], wrong: Label, free: int = 0
    ) -> None:
        self.judged = 0  # characters of the span in words that may stay
        self._predictor, self._session = predictor, session
        self._ids = window
        self._sign = 1.0 if wrong == "style" else -1.0
        self._free = free

    async def first_wrong(self, text: str, ended: bool = False) -> int | None:
        """Where the first closed word with the wrong label begins; None if all may stay.

        Args:
            text: the span so far, from its beginning.
            ended: the span ends here, so its last word is closed.
        """
        new = closed_words(text, self.judged, ended)
        if not new:
            return None
        pieces = [self._predictor.encode(word) for word in new]
        ids = self._ids + [i for piece in pieces for i in piece]
        odds = await self._predictor.log_odds(self._session, ids, len(ids) - len(self._ids))
        for word, piece in zip(new, pieces, strict=True):
            score, odds = self._sign * sum(odds[: len(piece)]), odds[len(piece) :]
            before = len(self._ids)
            self._ids += piece
            if self._free:
                self._free -= 1
            elif self._settle(score, before) > 0:
                del self._ids[before:]
                return self.judged
            self.judged += len(word)
        return None

    def _settle(self, score: float, before: int) -> float:
        """The score of the last word; computed alone where rounding could decide its sign."""
        if abs(score) > _MARGIN or not self._predictor.model.exact:
            return score
        self._predictor.counts["near_ties"] += 1
        return self._sign * sum(self._predictor.alone(self._ids, len(self._ids) - before))


@asynccontextmanager
async def open_predictor(
    path: str | Path, device: Literal["auto", "cpu", "cuda"], n_sessions: int
) -> AsyncIterator[Predictor]:
    """A predictor from a folder, a hub id or `mini:NAME`.

    Raises:
        MissingError: this machine lacks the model or the device.
        CheckpointError: it cannot be read, or is not a boundary predictor.
    """
    yield Predictor(locate(str(path)), device, n_sessions)


def _tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"the tokenizer in {folder} cannot be read ({error})", "copy the tokenizer files there"
        ) from error
