"""TRL's SFTTrainer on prepared samples: exact batches, the two sums of equation 2.

The paper's equation 2 splits the loss of a response into L_cap, over the tokens that carry
capability, and L_sty, over those that carry style. Here the teacher wrote the first and the student
the second, and each token's writer is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from accelerate.utils import is_peft_model
from datasets import Dataset
from torch import Tensor
from torch.utils.data import DataLoader
from trl.trainer.sft_trainer import SFTTrainer
from trl.trainer.utils import add_fused_lm_head

from tessy.config import LossConfig
from train.batches import Batches
from train.checkpoints import WholeCheckpoints
from train.examples import STUDENT, TEACHER
from train.flops import Flops
from train.losses import token_losses
from train.prepared import Prepared

# What is summed over the forward passes of a step and over the devices.
SUMS = ("student_loss", "student_tokens", "teacher_loss", "teacher_tokens", "tokens", "flops")


class Samples(torch.utils.data.Dataset[dict[str, Any]]):
    """The prepared samples as rows for a collator."""

    def __init__(self, prepared: Prepared) -> None:
        self.prepared = prepared

    def __len__(self) -> int:
        return len(self.prepared)

    def __getitem__(self, number: int) -> dict[str, Any]:
        return self.prepared[number].row()


class Loader(DataLoader[Any]):
    """Batches in an order that the epoch decides."""

    def set_epoch(self, epoch: int) -> None:
        assert isinstance(self.batch_sampler, Batches)
        self.batch_sampler.set_epoch(epoch)


class Trainer(WholeCheckpoints, SFTTrainer):
    """Trains on the batches that it is given.

    Besides what TRL logs: `num_tokens` (without padding, since this process began), `positions`
    (of the step, computed or waited for, padding included), `flops` of the step, and
    `loss_capability` and `loss_style`, the mean negative log-likelihood of the step's tokens that
    the teacher and that the student wrote, where there are such.

    Args:
        prepared: the samples.
        batches: which of them are computed together.
        collate: rows to a batch.
        weights: of the two sums.
        chunked: whether the logits of a row are never held as a whole.
    """

    def __init__(
        self,
        prepared: Prepared,
        batches: Batches,
        collate: Any,
        weights: LossConfig,
        chunked: bool,
        **given: Any,
    ) -> None:
        # TRL looks at the columns of a data set before it leaves all else to the methods below.
        rows = Dataset.from_dict({"input_ids": [[0]], "labels": [[0]]})
        super().__init__(train_dataset=rows, data_collator=collate, **given)
        model: Any = self.model
        # Scored without what TRL logs besides: entropy and accuracy.
        add_fused_lm_head(
            model.get_base_model() if is_peft_model(model) else model, outputs=("log_probs",)
        )
        self.prepared = prepared
        self.batches = batches
        self.weights = weights
        self.chunked = chunked
        self.flops = Flops(model.config)
        self.num_tokens = 0
        self._sums = torch.zeros(len(SUMS), dtype=torch.float64)
        self._positions = 0

    def get_train_dataloader(self) -> Loader:
        """Already divided over the devices, so accelerate has nothing to do with it."""

        def collate(rows: list[dict[str, Any]]) -> dict[str, Any]:
            lengths = [len(row["input_ids"]) for row in rows]
            return {"lengths": lengths} | dict(self.data_collator(rows))

        return Loader(
            Samples(self.prepared),
            batch_sampler=self.batches,
            collate_fn=collate,
            pin_memory=self.args.dataloader_pin_memory,
        )

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """The negative log-likelihood, weighted by writer, a completion token of the step."""
        writers, lengths = inputs.pop("writers"), inputs.pop("lengths")
        if "shift_labels" not in inputs:
            writers = writers[:, 1:]
        losses = token_losses(model, inputs, self.chunked)
        self._add(losses.detach(), writers, lengths)
        self._positions += inputs["input_ids"].numel()
        style, capability = self.weights.style_weight, self.weights.capability_weight
        if style != 1 or capability != 1:
            losses = losses * torch.where(writers == TEACHER, capability, style)
        assert num_items_in_batch is not None
        # Counted over all devices, whose gradients are averaged.
        return losses.sum() / num_items_in_batch * self.accelerator.num_processes

    def _add(self, losses: Tensor, writers: Tensor, lengths: Sequence[int]) -> None:
        if self._sums.device != losses.device:
            self._sums = self._sums.to(losses.device)
        by_student, by_teacher = writers == STUDENT, writers == TEACHER
        self._sums += torch.stack(
            [
                losses.where(by_student, 0).sum(dtype=torch.float64),
                by_student.sum().double(),
                losses.where(by_teacher, 0).sum(dtype=torch.float64),
                by_teacher.sum().double(),
                self._sums.new_tensor(sum(lengths)),
                self._sums.new_tensor(self.flops.of(lengths)),
            ]
        )

    def log(self, logs: dict[str, float], *rest: Any, **named: Any) -> None:
        """Add the figures of the step."""
        if "loss" in logs:
            logs |= self._figures()
        super().log(logs, *rest, **named)

    def _figures(self) -> dict[str, float]:
        sums = self.accelerator.reduce(self._sums, "sum").tolist()
        found = dict(zip(SUMS, sums, strict=True))
        # Devices wait for the one with the longest row.
        places = torch.tensor([self._positions], device=self._sums.device)
        positions = int(self.accelerator.gather(places).max()) * self.accelerator.num_processes
        self._sums.zero_()
        self._positions = 0
        self.num_tokens += int(found["tokens"])
        figures = {"num_tokens": self.num_tokens, "positions": positions, "flops": found["flops"]}
        for name, writer in (("loss_capability", "teacher"), ("loss_style", "student")):
            if found[f"{writer}_tokens"]:
                figures[name] = found[f"{writer}_loss"] / found[f"{writer}_tokens"]
        return figures

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """A checkpoint is no release."""

    def _send_telemetry(self) -> None:
        """Training reports to nobody."""
