"""What a synthesis has done so far, line by line, so that a kill loses a span in flight at most."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tessy.errors import ArtifactError, EngineError
from tessy.journal import LineFile
from tessy.records import Record, Trajectory
from tessy.synthesis.cooperate import Accepted
from tessy.synthesis.parts import Key, Task


class Journal(LineFile):
    """JSON lines of spans, notes, finished samples and faults; reading it back on opening.

    A note is an intermediate result that is no span of the sample: a candidate, its score. `notes`
    holds those of the samples that are not finished, in their order, each with its name.

    A last line without its end was being written when the process was killed: it is cut off and
    counted. Any other malformed line is an error.

    Raises:
        ArtifactError: the journal is corrupt.
        StorageError: it cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.trajectories: dict[Key, Trajectory] = {}
        self.spans: dict[Key, list[Accepted]] = {}
        self.notes: dict[Key, list[tuple[str, dict[str, Any]]]] = {}
        self.counts: Counter[str] = Counter()
        super().__init__(path)
        self.counts["truncated_lines"] = self.discarded
        for number, line in enumerate(self.earlier, 1):
            try:
                self._take(json.loads(line), f"{path}:{number}")
            except (ValueError, KeyError, TypeError) as error:
                raise ArtifactError(
                    f"{path}:{number} is no line of a journal ({error})",
                    "delete the folder to synthesize anew",
                ) from error
        self.counts["resumed_samples"] = len(self.trajectories)
        self.counts["resumed_spans"] = sum(map(len, self.spans.values()))
        self.counts["resumed_notes"] = sum(map(len, self.notes.values()))

    def _take(self, data: dict[str, Any], where: str) -> None:
        kind = data["kind"]
        if kind == "span":
            span = Accepted(
                data["writer"], data["text"], tuple(data["ids"]), data["end"], data["counts"]
            )
            self.spans.setdefault((data["question_id"], data["repeat"]), []).append(span)
        elif kind == "note":
            note = data["name"], dict(data["data"])
            self.notes.setdefault((data["question_id"], data["repeat"]), []).append(note)
        elif kind == "done":
            self._finish(Trajectory.from_json(data["trajectory"], where), data["counts"])
        else:
            assert kind == "fault", kind

    def _finish(self, done: Trajectory, counts: Mapping[str, int]) -> None:
        self.trajectories[done.key] = done
        self.spans.pop(done.key, None)
        self.notes.pop(done.key, None)
        self.counts.update(counts)

    def span(self, task: Task, span: Accepted) -> None:
        """Note an accepted span."""
        self._write({"kind": "span", **_key(task), **vars(span)})

    def note(self, task: Task, name: str, record: Record) -> None:
        """Note an intermediate result."""
        self._write({"kind": "note", **_key(task), "name": name, "data": record.to_json()})

    def done(self, done: Trajectory, counts: Mapping[str, int]) -> None:
        """Note a finished sample, and what it took in all."""
        self._write({"kind": "done", "trajectory": done.to_json(), "counts": dict(counts)})
        self._finish(done, counts)

    def fault(self, task: Task, error: EngineError) -> None:
        """Note why a sample failed; its `done` line follows."""
        self._write({"kind": "fault", **_key(task), "error": str(error)})

    def _write(self, data: dict[str, Any]) -> None:
        self.write(json.dumps(data, ensure_ascii=False) + "\n")


def _key(task: Task) -> dict[str, Any]:
    return {"question_id": task.question.question_id, "repeat": task.repeat}
