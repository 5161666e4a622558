"""TRL's SFTTrainer with checkpoints that are whole or absent, and nothing sent anywhere."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from trl.trainer.sft_trainer import SFTTrainer

from tessy.errors import StorageError

PARTIAL = "partial"  # what is being written; never read


class Trainer(SFTTrainer):
    """A checkpoint `checkpoint-STEP` holds weights, optimizer, schedule and random states.

    It is written aside and renamed when complete; the newest one is kept.
    """

    def _get_output_dir(self, trial: Any) -> str:
        return str(Path(self.args.output_dir) / PARTIAL)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        folder = Path(self.args.output_dir)
        try:
            super()._save_checkpoint(model, trial)
            self.accelerator.wait_for_everyone()
            if self.is_world_process_zero():
                name = f"checkpoint-{self.state.global_step}"
                (folder / PARTIAL / name).rename(folder / name)
                for old in folder.iterdir():
                    if old.name != name:
                        shutil.rmtree(old)
        except (OSError, RuntimeError, SafetensorError) as error:  # how files, torch, safetensors
            raise StorageError(
                f"the checkpoint of step {self.state.global_step} cannot be written to {folder} "
                f"({error})",
                "free space there and run the same command again; it goes on from the last one",
            ) from error

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """A checkpoint is no release."""

    def _send_telemetry(self) -> None:
        """Training reports to nobody."""


def newest_checkpoint(folder: Path) -> Path | None:
    """The complete checkpoint of the latest step, if there is one."""
    found = {int(p.name.split("-")[1]): p for p in folder.glob("checkpoint-*")}
    return found[max(found)] if found else None
