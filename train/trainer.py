"""TRL's SFTTrainer with checkpoints that are whole or absent, and nothing sent anywhere."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from trl.trainer.sft_trainer import SFTTrainer

from tessy.errors import StorageError

PARTIAL = "partial"  # what is being written; never read


@contextmanager
def storage(what: str, folder: Path) -> Iterator[None]:
    """Turn what file system, torch and safetensors raise on a full disk into one error."""
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        raise StorageError(
            f"{what} cannot be written to {folder} ({error})",
            "free space there and run the same command again; it goes on from the last checkpoint",
        ) from error


class Trainer(SFTTrainer):
    """A checkpoint `checkpoint-STEP` holds weights, optimizer, schedule and random states.

    It is written aside and renamed when complete; the newest one is kept.
    """

    @property
    def _checkpoints(self) -> Path:
        return Path(str(self.args.output_dir))

    def _get_output_dir(self, trial: Any) -> str:
        return str(self._checkpoints / PARTIAL)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        with storage(f"the checkpoint of step {self.state.global_step}", self._checkpoints):
            super()._save_checkpoint(model, trial)
            self.accelerator.wait_for_everyone()
            if self.is_world_process_zero():
                name = f"checkpoint-{self.state.global_step}"
                (self._checkpoints / PARTIAL / name).rename(self._checkpoints / name)
                for old in self._checkpoints.iterdir():
                    if old.name != name:
                        shutil.rmtree(old)

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """A checkpoint is no release."""

    def _send_telemetry(self) -> None:
        """Training reports to nobody."""


def newest_checkpoint(folder: Path) -> Path | None:
    """The complete checkpoint of the latest step, if there is one."""
    found = {int(p.name.split("-")[1]): p for p in folder.glob("checkpoint-*")}
    return found[max(found)] if found else None
