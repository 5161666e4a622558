"""The model after each epoch but the last, kept to be evaluated (paper, figure 11)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

EPOCHS = "epochs"


class KeepEpochs(TrainerCallback):
    """Publishes the model into `folder`/epochs/N after epoch N.

    A run that goes on from an earlier checkpoint trains the same epochs again and finds what it
    kept of them.

    Args:
        folder: of the SFT's artifact.
        epochs: of the whole training; the last one's model is the trained model.
        publish: writes the model into a folder, complete or not at all; every process takes part.
    """

    def __init__(self, folder: Path, epochs: int, publish: Callable[[Path], None]) -> None:
        self.folder = folder / EPOCHS
        self.epochs = epochs
        self.publish = publish

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        done = round(state.epoch or 0)
        if done < self.epochs and not (self.folder / str(done)).exists():
            self.folder.mkdir(exist_ok=True)
            self.publish(self.folder / str(done))
