"""Another method's finished samples, read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from tessy.records import Trajectory, parse_line
from tessy.synthesis.parts import Key


class StoredSamples(Mapping[Key, Trajectory]):
    """The trajectories of a JSONL file by question and repeat; memory holds only their places.

    Raises:
        DataError: a line is not a trajectory.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: dict[Key, tuple[int, int]] = {}  # offset and number of the line
        offset = 0
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                key = parse_line(line.decode(), Trajectory, f"{path}:{number}").key
                self._places[key] = offset, number
                offset += len(line)

    def __getitem__(self, key: Key) -> Trajectory:
        offset, number = self._places[key]
        with self._path.open("rb") as lines:
            lines.seek(offset)
            return parse_line(lines.readline().decode(), Trajectory, f"{self._path}:{number}")

    def __iter__(self) -> Iterator[Key]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
