"""The journal of judged answers: a kill loses at most the line that was being written."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from tessy.errors import StorageError
from tessy.records import JudgedAnswer, dump_line, read_jsonl

_SYNC_SECONDS = 2.0


class Journal:
    """Appends judged answers to a file of JSON lines; what an earlier run wrote is in `answers`.

    `discarded` is 1 if the earlier run was killed in the middle of a line, which is cut off.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.discarded = 0
        self.answers: dict[tuple[str, int], JudgedAnswer] = {}
        self._synced = time.monotonic()
        self._file: io.FileIO

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered, so that closing has nothing left to write to a disk that is full.
            self._file = self.path.open("ab", buffering=0)
            self._cut_half_line()
        except OSError as error:
            raise self._refused(error) from error
        self.answers = {a.key: a for a in read_jsonl(self.path, JudgedAnswer)}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def append(self, answer: JudgedAnswer) -> None:
        """Write one answer; it is on the disk within two seconds.

        Raises:
            StorageError: the disk refuses.
        """
        self.answers[answer.key] = answer
        try:
            line = memoryview(dump_line(answer).encode())
            while line:
                line = line[self._file.write(line) :]
            if time.monotonic() - self._synced > _SYNC_SECONDS:
                os.fsync(self._file.fileno())
                self._synced = time.monotonic()
        except OSError as error:
            raise self._refused(error) from error

    def finish(self, order: Iterable[tuple[str, int]]) -> None:
        """Replace the journal by the answers in `order`, at once: the same bytes however often
        the run was interrupted."""
        temporary = self.path.with_suffix(".jsonl.tmp")
        try:
            with temporary.open("wb") as file:
                for key in order:
                    file.write(dump_line(self.answers[key]).encode())
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.path)
        except OSError as error:
            raise self._refused(error) from error

    def _cut_half_line(self) -> None:
        data = self.path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            self._file.truncate(whole)
            self.discarded = 1

    def _refused(self, error: OSError) -> StorageError:
        return StorageError(
            f"cannot write {self.path} ({error.strerror})",
            "free space on the disk, or set outputs_dir to a folder that can be written to; "
            "the same command goes on from what is stored",
        )
