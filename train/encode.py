"""From lines of trajectories to encoded samples, in several processes where there are many."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tessy.config import ModelConfig, TrainConfig
from tessy.dialects import load_dialect
from tessy.dialects.base import Dialect
from tessy.errors import DataError
from tessy.progress import bar
from tessy.records import Trajectory, parse_line
from train.examples import PROMPT, example

if TYPE_CHECKING:
    from numpy.typing import NDArray

PARALLEL_ABOVE = 32 << 20  # bytes of a file; below, starting processes takes longer than the work
CHUNK = 16  # samples that go to a process at once
AHEAD = 4  # chunks a process that are read before they are needed

Key = tuple[str, int, str]  # question, repeat, method
Lines = list[tuple[int, str]]  # number and text of each


class Encoded(NamedTuple):
    """A sample; the arrays have the shape [tokens], and are empty if it is not trained on."""

    key: Key
    ids: NDArray[np.int32]
    writers: NDArray[np.uint8]
    loss: str = ""  # the count of what it lost, if it was dropped or cut


def named(key: Key) -> str:
    """A sample in words."""
    return f"sample {key[0]!r}, repeat {key[1]}, of method {key[2]!r}"


@dataclass(frozen=True)
class Encoder:
    """Encodes lines of one file; each process loads the tokenizer once."""

    trajectories: Path
    student: ModelConfig
    source: Path
    train: TrainConfig

    @cached_property
    def dialect(self) -> Dialect:
        return load_dialect(self.student.dialect, self.source, self.student.template)

    def unloaded(self) -> Encoder:
        """The same without the tokenizer, to be sent to a process."""
        return replace(self)

    def encode(self, lines: Lines) -> list[Encoded]:
        """The samples of some lines."""
        return [
            _encoded(
                parse_line(text, Trajectory, f"{self.trajectories}:{number}"),
                self.dialect,
                self.train,
            )
            for number, text in lines
        ]


def encode(
    trajectories: Path, student: ModelConfig, source: Path, train: TrainConfig, label: str
) -> Generator[Encoded, None, None]:
    """The samples of a file of trajectories, in its order.

    Raises:
        DataError: a malformed line or sample, or one that is too long if none may be.
    """
    encoder = Encoder(trajectories, student, source, train)
    _ = encoder.dialect  # what is wrong with it is said before any work
    with trajectories.open("rb") as file:
        total = sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
    large = trajectories.stat().st_size > PARALLEL_ABOVE
    workers = len(os.sched_getaffinity(0)) if large else 1
    with (
        trajectories.open(encoding="utf-8") as file,
        bar(total, f"{label} samples", "samples") as progress,
    ):
        numbered = enumerate(file, 1)
        chunks = iter(lambda: list(islice(numbered, CHUNK)), [])
        for samples in _in_order(encoder, chunks, workers):
            yield from samples
            progress.update(len(samples))


def _encoded(trajectory: Trajectory, dialect: Dialect, train: TrainConfig) -> Encoded:
    key = (*trajectory.key, trajectory.method)
    nothing = np.empty(0, np.int32), np.empty(0, np.uint8)
    if trajectory.finish != "complete":
        return Encoded(key, *nothing, f"dropped_{trajectory.finish}")
    made = example(trajectory, dialect, train.system)
    ids, writers = made.input_ids, made.writers
    if len(ids) <= train.max_length:
        return Encoded(key, ids, writers)
    if train.overlong == "fail":
        raise DataError(
            f"{named(key)} has {len(ids)} tokens, more than train.max_length={train.max_length}",
            "raise train.max_length, or set train.overlong to drop or truncate",
        )
    if train.overlong == "drop":
        return Encoded(key, *nothing, "dropped_over_max_length")
    ids, writers = ids[: train.max_length], writers[: train.max_length]
    if (writers == PROMPT).all():
        return Encoded(key, *nothing, "dropped_prompt_over_max_length")
    return Encoded(key, ids, writers, "truncated_over_max_length")


_encoder: Encoder | None = None  # of a process that encodes for another one


def _start(encoder: Encoder) -> None:
    global _encoder
    _encoder = encoder


def _encode(lines: Lines) -> list[Encoded]:
    assert _encoder is not None
    return _encoder.encode(lines)


def _in_order(encoder: Encoder, chunks: Iterable[Lines], workers: int) -> Iterator[list[Encoded]]:
    """The results of the chunks, of which only so many are held as keep the processes at work."""
    if workers == 1:
        yield from map(encoder.encode, chunks)
        return
    running: deque[Future[list[Encoded]]] = deque()
    context = multiprocessing.get_context("spawn")  # a fork would copy torch's threads
    with ProcessPoolExecutor(workers, context, _start, (encoder.unloaded(),)) as pool:
        try:
            for chunk in chunks:
                running.append(pool.submit(_encode, chunk))
                if len(running) > AHEAD * workers:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
