"""One training as its processes are told of it: a file that says everything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from tessy.config import DeepSpeedConfig, TrainConfig

CHECKPOINTS, MODEL, ADAPTER, PREPARED = "checkpoints", "model", "adapter", "prepared"


@dataclass(frozen=True)
class Job:
    """A resolved training.

    `source` is the folder of the student, `folder` receives the results and holds the prepared
    data, `parameters` are the student's, in all.
    """

    source: str
    folder: str
    label: str
    train: TrainConfig
    deepspeed: DeepSpeedConfig
    parameters: float
    learning_rate: float
    seed: int

    def path(self, name: str) -> Path:
        """A file or folder of the results."""
        return Path(self.folder) / name

    def write(self, path: Path) -> None:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self)))

    @staticmethod
    def read(path: Path) -> Job:
        return msgspec.json.decode(path.read_bytes(), type=Job)
