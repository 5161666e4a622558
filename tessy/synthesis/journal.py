"""What a synthesis has done so far, line by line, so that a kill loses a span in flight at most."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tessy.errors import ArtifactError, EngineError
from tessy.journal import LineFile, refused
from tessy.records import Record, Trajectory
from tessy.synthesis.cooperate import Accepted
from tessy.synthesis.meter import Meter
from tessy.synthesis.parts import Key, Task


class Journal(LineFile):
    """JSON lines of spans, notes, finished samples and faults; reading it back on opening.

    A note is an intermediate result that is no span of the sample: a candidate, its score. Memory
    holds the spans and the notes (with their names) of unfinished samples, in their order, and of
    finished ones the place only. A last line without its end was being written when the process
    was killed: it is cut off and counted. Any other malformed line is an error.

    Raises:
        ArtifactError: the journal is corrupt.
        StorageError: it cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.meter: Meter | None = None  # is told of all that is noted
        self.finished: dict[Key, int] = {}  # where the sample's line begins
        self.spans: dict[Key, list[Accepted]] = {}
        self.notes: dict[Key, list[tuple[str, dict[str, Any]]]] = {}
        self.counts: Counter[str] = Counter()
        self._noted: dict[Key, Counter[str]] = {}  # what the spans of unfinished samples took
        super().__init__(path)
        self.counts["truncated_lines"] = self.discarded
        for number, (offset, line) in enumerate(self.earlier(), 1):
            try:
                self._take(json.loads(line), offset, f"{path}:{number}")
            except (ValueError, KeyError, TypeError) as error:
                raise ArtifactError(
                    f"{path}:{number} is no line of a journal ({error})",
                    "delete the folder to synthesize anew",
                ) from error
        self.counts["resumed_samples"] = len(self.finished)
        self.counts["resumed_spans"] = sum(map(len, self.spans.values()))
        self.counts["resumed_notes"] = sum(map(len, self.notes.values()))

    def _take(self, data: dict[str, Any], offset: int, where: str) -> None:
        kind = data["kind"]
        if kind == "span":
            span = Accepted(
                data["writer"], data["text"], tuple(data["ids"]), data["end"], data["counts"]
            )
            self.spans.setdefault(_key_of(data), []).append(span)
            self._noted.setdefault(_key_of(data), Counter()).update(span.counts)
        elif kind == "note":
            self.notes.setdefault(_key_of(data), []).append((data["name"], dict(data["data"])))
        elif kind == "done":
            done = Trajectory.from_json(data["trajectory"], where)
            self._finish(done.key, offset, data["counts"])
        else:
            assert kind == "fault", kind

    def _finish(self, key: Key, offset: int, counts: Mapping[str, int]) -> None:
        self.finished[key] = offset
        self.spans.pop(key, None)
        self.notes.pop(key, None)
        self._noted.pop(key, None)
        self.counts.update(counts)

    def trajectory(self, key: Key) -> Trajectory:
        """A finished sample."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.finished[key])
                data = json.loads(file.readline())
        except OSError as error:
            raise refused(self.path, error) from error
        return Trajectory.from_json(data["trajectory"])

    def span(self, task: Task, span: Accepted) -> None:
        """Note an accepted span."""
        self._write({"kind": "span", **_key(task), **vars(span)})
        self._noted.setdefault(task.key, Counter()).update(span.counts)
        if self.meter is not None:
            self.meter.add(span.counts)

    def note(self, task: Task, name: str, record: Record) -> None:
        """Note an intermediate result."""
        self._write({"kind": "note", **_key(task), "name": name, "data": record.to_json()})

    def done(self, done: Trajectory, counts: Mapping[str, int]) -> None:
        """Note a finished sample, and what it took in all."""
        line = {"kind": "done", "trajectory": done.to_json(), "counts": dict(counts)}
        if self.meter is not None:
            rest = Counter(counts)
            rest.subtract(self._noted.get(done.key, {}))
            self.meter.add(rest)
            self.meter.sample()
        self._finish(done.key, self._write(line), counts)

    def fault(self, task: Task, error: EngineError) -> None:
        """Note why a sample failed; its `done` line follows."""
        self._write({"kind": "fault", **_key(task), "error": str(error)})
        if self.meter is not None:
            self.meter.failure(task.session, str(error))

    def _write(self, data: dict[str, Any]) -> int:
        return self.write(json.dumps(data, ensure_ascii=False) + "\n")


def _key_of(data: Mapping[str, Any]) -> Key:
    return data["question_id"], data["repeat"]


def _key(task: Task) -> dict[str, Any]:
    return {"question_id": task.question.question_id, "repeat": task.repeat}
