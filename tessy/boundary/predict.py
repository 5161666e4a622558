"""Boundary predictors: log-odds of style against capability, read with a cache (paper, 3.2).

A predictor is a token classifier (label 1: style, 0: capability). The words that many samples
want judged are labelled together: what is asked while a batch is computed forms the next one.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from tessy.checkpoints import load_tokenizer, locate
from tessy.config import PredictorConfig
from tessy.engines.rows import Feed, RowModel
from tessy.engines.slots import Slots
from tessy.errors import CheckpointError

Odds = list[list[float]]  # of each word, of each of its tokens
_MARGIN = 1e-3  # log-odds nearer to zero are computed anew, alone: rounding must not decide


@dataclass(eq=False)
class _Call:
    session: str
    ids: list[int]  # context, span so far and the words to judge
    lengths: list[int]  # tokens of each of these words, which end the ids
    done: asyncio.Future[Odds]

    @property
    def n_new(self) -> int:
        return sum(self.lengths)


class Predictor:
    """A token classifier that labels the new words of many samples at once.

    Args:
        folder: of the model.
        config: device, window, label_shift, cut.
        n_sessions: samples in flight.
        threaded: compute off the event loop, so that streams are read meanwhile. An engine in this
            process computes on the event loop itself, and there the predictor waits its turn.

    Raises:
        MissingError: there is no such device.
        CheckpointError: the model cannot be read, or is no boundary predictor.
    """

    def __init__(
        self, folder: Path, config: PredictorConfig, n_sessions: int, threaded: bool
    ) -> None:
        self.model = RowModel(folder, "labels", config.device, n_sessions, 0)
        if self.model.model.config.num_labels != 2:
            raise CheckpointError(
                f"the predictor in {folder} has {self.model.model.config.num_labels} labels, not 2",
                "give the folder of a boundary predictor",
            )
        self.counts: Counter[str] = Counter()
        self.window, self.cut = config.window, config.cut
        self.label_shift, self.threaded = config.label_shift, threaded
        self._tokenizer = load_tokenizer(folder)
        self._encoded: dict[str, list[int]] = {}
        self._slots = Slots(n_sessions)
        self._calls: list[_Call] = []
        self._busy = False
        self._thread = ThreadPoolExecutor(1, "predictor") if threaded else None

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

    def close(self) -> None:
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)

    def read(self, session: str, ids: list[int], lengths: Sequence[int]) -> asyncio.Future[Odds]:
        """Log-odds of style against capability of the last words of `ids`.

        A future and no coroutine: what is read ahead needs no task of its own, and cancelling it
        takes back the question.

        Args:
            session: names the sample, whose keys and values are kept.
            ids: all that is seen, shape (tokens,); not to be changed afterwards.
            lengths: tokens of each word that is asked about; these words end the ids.

        Returns:
            A list for each word. Where outputs label the next token, one more list: of the token
            that will follow, whatever it is.
        """
        loop = asyncio.get_running_loop()
        call = _Call(session, ids, list(lengths), loop.create_future())
        self._calls.append(call)
        if not self._busy:
            self._busy = True
            loop.call_soon(self._start)  # after all that became ready together have asked
        return call.done

    def _start(self) -> None:
        """Compute a batch of the waiting calls, and then the next."""
        self._calls = [call for call in self._calls if not call.done.done()]  # or cancelled
        if not self._calls:
            self._busy = False
            return
        batch, feeds = self._take()
        if self._thread is None:
            try:
                self._deliver(batch, self._compute(batch, feeds), None)
            except Exception as error:
                self._deliver(batch, [], error)
            return
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._thread, self._compute, batch, feeds)

        def deliver(finished: asyncio.Future[list[Odds]]) -> None:
            if not finished.cancelled():
                error = finished.exception()
                self._deliver(batch, [] if error else finished.result(), error)

        work.add_done_callback(deliver)

    def _take(self) -> tuple[list[_Call], list[Feed]]:
        """As many of the waiting calls as there are slots, and what to feed for them."""
        taken: dict[str, _Call] = {}
        feeds, later = [], []
        for call in self._calls:
            slot = None if call.session in taken else self._slots.take(call.session, taken)
            if slot is None:
                later.append(call)
                continue
            taken[call.session] = call
            # All new ids are fed again even if the cache holds some: their outputs are wanted,
            # and with shifted labels the output before them too.
            first = len(call.ids) - call.n_new - self.label_shift
            known = self._slots.reuse(slot, call.ids[: max(first, 0) + 1])
            feeds.append(Feed(slot, known, call.ids[known:]))
            self._slots.ids[slot] += call.ids[known:]
        self._calls = later
        return list(taken.values()), feeds

    def _compute(self, batch: list[_Call], feeds: list[Feed]) -> list[Odds]:
        odds = self._odds(self.model.forward(feeds))
        self.counts["steps"] += 1
        self.counts["calls"] += len(feeds)
        found, end = [], 0
        for call, feed in zip(batch, feeds, strict=True):
            end += len(feed.ids)
            found.append(self._settle(call, self._words(call, odds[end - len(feed.ids) : end])))
        return found

    def _words(self, call: _Call, outputs: list[float]) -> Odds:
        """The outputs for a call's new words; a token with nothing before it has no shifted one."""
        lengths = [*call.lengths, *[1] * self.label_shift]
        wanted = sum(lengths)
        new = [0.0] * (wanted - len(outputs)) + outputs[-wanted:]
        ends = list(accumulate(lengths))
        return [new[end - n : end] for n, end in zip(lengths, ends, strict=True)]

    def _settle(self, call: _Call, odds: Odds) -> Odds:
        """Compute anew and alone the words whose label rounding could decide."""
        if not self.model.exact:
            return odds
        end = len(call.ids) - call.n_new
        for n, word in enumerate(odds):
            end += len(word)
            scores = [sum(word)] if self.cut == "before_word" else word
            if any(0 < abs(score) < _MARGIN for score in scores):
                self.counts["near_ties"] += 1
                known = self._odds(self.model.alone(call.ids[: end - self.label_shift]))
                odds[n] = [0.0] * (len(word) - len(known)) + known[-len(word) :]
        return odds

    def _deliver(self, batch: list[_Call], found: list[Odds], error: BaseException | None) -> None:
        for n, call in enumerate(batch):
            if call.done.done():  # a cancelled sample no longer waits
                continue
            if error is not None:
                call.done.set_exception(error)
            else:
                call.done.set_result(found[n])
        self._start()

    @staticmethod
    def _odds(logits: Any) -> list[float]:
        return (logits[:, 1] - logits[:, 0]).tolist()


@asynccontextmanager
async def open_predictor(
    path: str | Path, config: PredictorConfig, n_sessions: int, threaded: bool = False
) -> AsyncIterator[Predictor]:
    """A predictor from a folder, a hub id or `mini:NAME`.

    Raises:
        MissingError: this machine lacks the model or the device.
        CheckpointError: it cannot be read, or is not a boundary predictor.
    """
    predictor = Predictor(locate(str(path)), config, n_sessions, threaded)
    try:
        yield predictor
    finally:
        predictor.close()
