"""TRL's SFTTrainer with checkpoints that are whole or absent, and nothing sent anywhere."""

from __future__ import annotations

from typing import Any

from trl.trainer.sft_trainer import SFTTrainer

from train.checkpoints import WholeCheckpoints


class Trainer(WholeCheckpoints, SFTTrainer):
    """A trainer of exact ids."""

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """A checkpoint is no release."""

    def _send_telemetry(self) -> None:
        """Training reports to nobody."""
