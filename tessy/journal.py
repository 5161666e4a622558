"""Files of lines that survive a kill: a line is there whole or not at all."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from tessy.errors import StorageError

_BLOCK = 1 << 16
_SYNC_SECONDS = 2.0  # a crash of the machine, not of the process, may lose so much


class LineFile:
    """Appends lines to a file; `earlier` reads what previous runs wrote.

    `discarded` is 1 if the last of them was killed in the middle of a line, which is cut off.

    Raises:
        StorageError: the file cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._synced = time.monotonic()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered, so that closing has nothing left to write to a disk that is full.
            self._file = path.open("ab", buffering=0)
            self._end = _end_of_lines(path)
            self.discarded = int(self._end < path.stat().st_size)
            if self.discarded:
                self._file.truncate(self._end)
        except OSError as error:
            raise refused(path, error) from error
        self._earlier = self._end

    def earlier(self) -> Iterator[tuple[int, str]]:
        """The lines that previous runs wrote, each after its offset in bytes."""
        try:
            with self.path.open("rb") as file:
                offset = 0
                for line in file:
                    if offset >= self._earlier:
                        return
                    yield offset, line[:-1].decode(errors="replace")
                    offset += len(line)
        except OSError as error:
            raise refused(self.path, error) from error

    def write(self, line: str) -> int:
        """Write one line, which ends with a newline; it is on the disk within two seconds.

        Returns:
            Its offset in bytes.
        """
        data = line.encode()
        offset, self._end = self._end, self._end + len(data)
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]
            if time.monotonic() - self._synced > _SYNC_SECONDS:
                os.fsync(self._file.fileno())
                self._synced = time.monotonic()
        except OSError as error:
            raise refused(self.path, error) from error
        return offset

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


def _end_of_lines(path: Path) -> int:
    """Where the last whole line ends, in bytes."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - _BLOCK)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            end = start
    return 0


def replace_lines(path: Path, lines: Iterable[str]) -> None:
    """Write a whole file of lines, synced and renamed into place.

    Raises:
        StorageError: the disk refuses; what was there stays.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise refused(path, error) from error


def refused(path: Path, error: OSError) -> StorageError:
    """The disk's refusal, with the mend."""
    return StorageError(
        f"{path} cannot be read or written ({error.strerror or error})",
        "free space there, or set outputs_dir to a folder that can be written to; "
        "the same command goes on from what is stored",
    )
