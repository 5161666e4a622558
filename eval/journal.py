"""The journal of judged answers: a kill loses at most the line that was being written."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from tessy.journal import LineFile, replace_lines
from tessy.records import JudgedAnswer, dump_line, parse_line


class Journal:
    """Appends judged answers to a file of JSON lines; what an earlier run wrote is in `answers`.

    `discarded` is 1 if the earlier run was killed in the middle of a line, which is cut off.

    Raises:
        StorageError: the file cannot be read or written.
        DataError: a line is no judged answer.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines = LineFile(path)
        self.discarded = self._lines.discarded
        self.answers: dict[tuple[str, int], JudgedAnswer] = {}
        for number, line in enumerate(self._lines.earlier, 1):
            answer = parse_line(line, JudgedAnswer, f"{path}:{number}")
            self.answers[answer.key] = answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lines.__exit__(kind, error, trace)

    def append(self, answer: JudgedAnswer) -> None:
        """Write one answer."""
        self.answers[answer.key] = answer
        self._lines.append(dump_line(answer))

    def finish(self, order: Iterable[tuple[str, int]]) -> None:
        """Replace the journal by the answers in `order`, at once: the same bytes however often
        the run was interrupted."""
        replace_lines(self.path, (dump_line(self.answers[key]) for key in order))
