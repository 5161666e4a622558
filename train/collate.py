"""Samples to one batch: padded to the longest, or packed in a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from train.examples import IGNORED, PROMPT


class Collator:
    """Pads to the longest sample of the batch, rounded up to a multiple.

    Args:
        pad_id: id that fills up; it is masked from attention and bears no loss.
        multiple: lengths are rounded up to a multiple of this, which GPU matrix kernels like.
        least: rows of padding are added to fewer rows.
    """

    def __init__(self, pad_id: int, multiple: int = 8, least: int = 1) -> None:
        self.pad_id = pad_id
        self.multiple = multiple
        self.least = least

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Rows of `input_ids`, `labels` and, if they have them, `writers`: int64 tensors of shape
        [rows, length].
        """
        longest = max((len(row["input_ids"]) for row in rows), default=1)
        shape = max(len(rows), self.least), -(-longest // self.multiple) * self.multiple
        fill = {"input_ids": self.pad_id, "labels": IGNORED, "writers": PROMPT}
        names = [name for name in fill if not rows or name in rows[0]]
        batch = {name: torch.full(shape, fill[name]) for name in names}
        batch["attention_mask"] = torch.zeros(shape, dtype=torch.int64)
        for n, row in enumerate(rows):
            length = len(row["input_ids"])
            batch["attention_mask"][n, :length] = 1
            for name in names:
                batch[name][n, :length] = torch.as_tensor(row[name])
        return batch


class Packer:
    """Puts whole samples one after the other into one row, without padding.

    Positions begin at 0 in each sample. From them, and from there being no attention mask,
    transformers' attention knows where a sample begins and looks no further back.

    Args:
        pad_id: stands in the row of a device that has no sample.
        boundaries: also give the boundaries themselves, which flash attention would otherwise
            look for in every layer.
        multiple: the row is filled up to a multiple of this, by what is a sample of its own.
    """

    def __init__(self, pad_id: int, boundaries: bool = False, multiple: int = 1) -> None:
        self.pad_id = pad_id
        self.boundaries = boundaries
        self.multiple = multiple

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """`input_ids`, `labels`, `writers` and `position_ids` of shape [1, tokens]."""
        nothing = {"input_ids": [self.pad_id], "labels": [IGNORED], "writers": [PROMPT]}
        tokens = sum(len(row["input_ids"]) for row in rows)
        fill = -tokens % self.multiple if rows else self.multiple
        padding = {name: value * fill for name, value in nothing.items()}
        given = [*rows, padding] if fill else rows
        batch: dict[str, Any] = {
            name: torch.cat([torch.as_tensor(row[name], dtype=torch.int64) for row in given])[None]
            for name in nothing
        }
        lengths = torch.tensor([len(row["input_ids"]) for row in given])
        batch["position_ids"] = torch.cat([torch.arange(n) for n in lengths.tolist()])[None]
        if self.boundaries:
            ends = torch.nn.functional.pad(lengths.cumsum(0), (1, 0)).to(torch.int32)
            batch |= {"cu_seq_lens_q": ends, "cu_seq_lens_k": ends}
            batch |= dict.fromkeys(("max_length_q", "max_length_k"), int(lengths.max()))
        return batch
