"""transformers' Trainer for token classifiers: exact loss, tokens counted, whole checkpoints."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional
from transformers import Trainer

from tessy.boundary.examples import IGNORED
from train.checkpoints import WholeCheckpoints


class Classifier(WholeCheckpoints, Trainer):
    """Logs `num_tokens`, those without padding that were trained since this process began."""

    num_tokens = 0

    def training_step(self, model: Any, inputs: dict[str, Tensor], *rest: Any) -> Tensor:
        self.num_tokens += int(inputs["attention_mask"].sum())
        return super().training_step(model, inputs, *rest)

    def log(self, logs: dict[str, float], *rest: Any, **named: Any) -> None:
        super().log({**logs, "num_tokens": self.num_tokens}, *rest, **named)


def token_loss(outputs: Any, labels: Tensor, num_items_in_batch: Tensor) -> Tensor:
    """Cross entropy, the mean over the labelled tokens of all forward passes of a step."""
    logits = outputs.logits.float().flatten(0, 1)
    total = functional.cross_entropy(
        logits, labels.flatten(), ignore_index=IGNORED, reduction="sum"
    )
    return total / num_items_in_batch
