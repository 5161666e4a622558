"""The journal of judged answers: a kill loses at most the line that was being written."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tessy.journal import LineFile, replace_lines
from tessy.records import JudgedAnswer, dump_line, parse_line


class Journal(LineFile):
    """Appends judged answers to a file of JSON lines; what an earlier run wrote is in `answers`.

    `discarded` is 1 if the earlier run was killed in the middle of a line, which is cut off.

    Raises:
        StorageError: the file cannot be read or written.
        DataError: a line is no judged answer.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.answers: dict[tuple[str, int], JudgedAnswer] = {}
        for number, (_, line) in enumerate(self.earlier(), 1):
            answer = parse_line(line, JudgedAnswer, f"{path}:{number}")
            self.answers[answer.key] = answer

    def append(self, answer: JudgedAnswer) -> None:
        """Write one answer."""
        self.answers[answer.key] = answer
        self.write(dump_line(answer))

    def finish(self, order: Iterable[tuple[str, int]]) -> None:
        """Replace the journal by the answers in `order`, at once: the same bytes however often
        the run was interrupted."""
        replace_lines(self.path, (dump_line(self.answers[key]) for key in order))
