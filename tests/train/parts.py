"""What the tests of training share: a data set prepared for them."""

from __future__ import annotations

from pathlib import Path

from tessy.config import ModelConfig, TrainConfig
from tessy.records import Trajectory
from tests.train.conftest import write
from train.prepared import Prepared, prepare


def prepared(
    trajectories: list[Trajectory], student: ModelConfig, config: TrainConfig, folder: Path
) -> Prepared:
    path = write(folder / "t.jsonl", trajectories)
    return prepare(path, student, Path(student.path), config, folder / "prepared", "test")
