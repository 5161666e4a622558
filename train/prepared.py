"""A data set as training reads it: ids and writers of all samples, in files that are mapped.

Trajectories are read, encoded and written one chunk at a time, by several processes where the file
is large, so that memory stays bounded whatever its size: 80,000 samples of 15,000 tokens are 6 GB
on the disk, of which a training sees a batch at a time.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tessy.config import ModelConfig, TrainConfig
from tessy.errors import DataError
from train.encode import Encoded, Key, encode, named
from train.examples import IGNORED, PROMPT, TEACHER

if TYPE_CHECKING:
    from numpy.typing import NDArray

IDS, WRITERS, OFFSETS, INDEX = "ids.int32", "writers.uint8", "offsets.npy", "index.json"


class Sample(NamedTuple):
    """One sample; both arrays have the shape [tokens]."""

    ids: NDArray[np.int32]
    writers: NDArray[np.uint8]  # 0 prompt, 1 student, 2 teacher

    @property
    def labels(self) -> NDArray[np.int64]:
        """The ids, and -100 on the prompt."""
        return np.where(self.writers == PROMPT, IGNORED, self.ids).astype(np.int64)

    def row(self) -> dict[str, Any]:
        """As a collator takes it; copies, since the files are mapped to be read only."""
        return {
            "input_ids": self.ids.astype(np.int64),
            "labels": self.labels,
            "writers": self.writers.astype(np.int64),
        }


@dataclass(frozen=True)
class Prepared:
    """A prepared data set, in an order that depends on the samples' keys only.

    `counts`: `trajectories` read, `samples` kept, `tokens` in them, `loss_tokens` of those in the
    completions, `teacher_tokens` of those written by the teacher, and what was dropped or cut:
    `dropped_FINISH` for those that are not complete, `dropped_over_max_length` or
    `truncated_over_max_length`, and `dropped_prompt_over_max_length`, of which cutting leaves
    nothing to learn.
    """

    folder: Path

    @cached_property
    def _index(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / INDEX).read_text(encoding="utf-8")))

    @cached_property
    def _offsets(self) -> NDArray[np.int64]:
        return np.load(self.folder / OFFSETS)

    @cached_property
    def _ids(self) -> NDArray[np.int32]:
        return np.memmap(self.folder / IDS, np.int32, "r")

    @cached_property
    def _writers(self) -> NDArray[np.uint8]:
        return np.memmap(self.folder / WRITERS, np.uint8, "r")

    @property
    def counts(self) -> dict[str, float]:
        return dict(self._index["counts"])

    @cached_property
    def keys(self) -> list[Key]:
        """Question, repeat and method of each sample, sorted."""
        return [(q, r, m) for q, r, m in self._index["keys"]]

    @cached_property
    def _places(self) -> list[int]:
        """Where the samples lie in the files, which have the trajectories' own order."""
        return list(self._index["places"])

    @cached_property
    def lengths(self) -> list[int]:
        """Tokens of each sample."""
        return [int(n) for n in np.diff(self._offsets)[self._places]]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, number: int) -> Sample:
        place = self._places[number]
        span = slice(self._offsets[place], self._offsets[place + 1])
        return Sample(self._ids[span], self._writers[span])


def prepare(
    trajectories: Path,
    student: ModelConfig,
    source: Path,
    train: TrainConfig,
    folder: Path,
    label: str,
) -> Prepared:
    """Encode a file of trajectories, unless `folder` is there already.

    Args:
        source: folder of the student's tokenizer.
        train: says what becomes of samples longer than `max_length`, and the system prompt.
        folder: receives the data, complete or not at all.
        label: of the progress bar.

    Raises:
        DataError: a malformed line or sample, the same sample twice, one that is too long if none
            may be, or nothing left to train on.
    """
    if folder.is_dir():
        return Prepared(folder)
    # Closed, so that the bar is before an error is told.
    with closing(encode(trajectories, student, source, train, label)) as encoded:
        return store(encoded, folder, str(trajectories))


def store(encoded: Iterator[Encoded], folder: Path, where: str) -> Prepared:
    """Write encoded samples to `folder`, complete or not at all.

    Args:
        where: they come from, for messages.

    Raises:
        DataError: the same sample twice, or nothing to train on.
    """
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    counts, keys, offsets = _write(encoded, partial, where)
    if not keys:
        shutil.rmtree(partial)
        said = ", ".join(f"{name} {n}" for name, n in sorted(counts.items())) or "it is empty"
        raise DataError(
            f"{where} has no sample to train on ({said})",
            "synthesize more samples, or raise train.max_length if they are too long",
        )
    counts["samples"] = len(keys)
    places = sorted(range(len(keys)), key=keys.__getitem__)  # the file's order depends on timing
    np.save(partial / OFFSETS, np.array(offsets))
    index = {"counts": counts, "places": places, "keys": [keys[place] for place in places]}
    (partial / INDEX).write_text(json.dumps(index, ensure_ascii=False), encoding="utf-8")
    partial.rename(folder)
    return Prepared(folder)


def _write(
    encoded: Iterator[Encoded], folder: Path, where: str
) -> tuple[Counter[str], list[Key], list[int]]:
    """Append the samples to the files of `folder`; their keys and offsets as they lie there."""
    counts: Counter[str] = Counter()
    keys: dict[Key, None] = {}
    offsets = [0]
    with (folder / IDS).open("wb") as ids, (folder / WRITERS).open("wb") as writers:
        for sample in encoded:
            counts["trajectories"] += 1
            if sample.loss:
                counts[sample.loss] += 1
            if not len(sample.ids):
                continue
            if sample.key in keys:
                raise DataError(
                    f"{named(sample.key)} is in {where} twice",
                    "synthesize it again, or delete its line",
                )
            keys[sample.key] = None
            ids.write(sample.ids.tobytes())
            writers.write(sample.writers.tobytes())
            offsets.append(offsets[-1] + len(sample.ids))
            counts["tokens"] += len(sample.ids)
            counts["loss_tokens"] += int((sample.writers != PROMPT).sum())
            counts["teacher_tokens"] += int((sample.writers == TEACHER).sum())
    return counts, list(keys), offsets


def discard(data: Prepared) -> None:
    """Delete the files; they can be made again."""
    shutil.rmtree(data.folder)
