"""Samples to one padded batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from train.examples import IGNORED


class Collator:
    """Pads to the longest sample of the batch, rounded up to a multiple.

    Args:
        pad_id: id that fills up; it is masked from attention and bears no loss.
        multiple: lengths are rounded up to a multiple of this, which GPU matrix kernels like.
    """

    def __init__(self, pad_id: int, multiple: int = 8) -> None:
        self.pad_id = pad_id
        self.multiple = multiple

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Rows of `input_ids` and `labels` to int64 tensors of shape [rows, length]."""
        longest = max(len(row["input_ids"]) for row in rows)
        shape = len(rows), -(-longest // self.multiple) * self.multiple
        batch = {
            "input_ids": torch.full(shape, self.pad_id),
            "attention_mask": torch.zeros(shape, dtype=torch.int64),
            "labels": torch.full(shape, IGNORED),
        }
        for n, row in enumerate(rows):
            length = len(row["input_ids"])
            batch["input_ids"][n, :length] = torch.as_tensor(row["input_ids"])
            batch["attention_mask"][n, :length] = 1
            batch["labels"][n, :length] = torch.as_tensor(row["labels"])
        return batch
