"""Sequence parallelism: several devices share each row, a part of its positions each.

Between attentions each device computes its own positions; in an attention each computes some heads
for the whole row (DeepSpeed-Ulysses, arXiv 2309.14509; ALST, arXiv 2506.13996). The exchange is
DeepSpeed's. To ZeRO these devices are like any others: a device's loss is the sum over its own
positions, by the tokens of the whole step, so the sum of their gradients is the gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from train.examples import IGNORED, PROMPT


class Share:
    """A collator of one of the devices that share a row: its part of what another collator makes.

    What a position predicts stands in the next one, which another device may have: so
    `shift_labels` and `writers` are those of the next position already.

    Args:
        collate: gives rows whose length `devices` divides.
        part: of the devices, from 0. The first one's batches have the `lengths` of all samples.
    """

    def __init__(
        self, collate: Callable[[Sequence[dict[str, Any]]], dict[str, Any]], devices: int, part: int
    ) -> None:
        self.collate = collate
        self.devices = devices
        self.part = part

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        batch = self.collate(rows)
        count, length = batch["input_ids"].shape
        # Attention is causal and looks at positions only: padding comes last, and nothing sees it.
        batch.pop("attention_mask", None)
        batch.setdefault("position_ids", torch.arange(length).expand(count, -1))
        batch["shift_labels"] = _next(batch["labels"], IGNORED)
        batch["writers"] = _next(batch["writers"], PROMPT)
        size = length // self.devices
        own = slice(self.part * size, (self.part + 1) * size)
        lengths = [len(row["input_ids"]) for row in rows] if self.part == 0 else []
        return {
            name: value[:, own].contiguous() if _is_of_positions(value) else value
            for name, value in batch.items()
        } | {"lengths": lengths}


def _is_of_positions(value: Any) -> bool:
    """Where samples begin is told of the whole row to all: it has one dimension."""
    return isinstance(value, Tensor) and value.dim() == 2


def _next(values: Tensor, last: int) -> Tensor:
    return torch.nn.functional.pad(values[:, 1:], (0, 1), value=last)


def share_attention(model: Any, kernel: str, devices: int, rows: int, packed: bool) -> None:
    """Have the model's attention exchange positions for heads, in this process from now on.

    Args:
        kernel: by transformers' name; its place is taken.
        rows: of each batch.
        packed: whether a row has several samples.
    """
    import deepspeed
    from deepspeed.runtime.sequence_parallel.ulysses_sp import UlyssesSPAttentionHF
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    deepspeed.init_distributed()  # over the group that there is
    if packed and kernel == "sdpa":
        ALL_ATTENTION_FUNCTIONS["sdpa"] = _sdpa_within_samples
    UlyssesSPAttentionHF.register_with_transformers(
        model_name_or_path=model,
        core_attn_implementation=kernel,
        sequence_parallel_size=devices,
        micro_batch_size=rows,
    )


def _sdpa_within_samples(
    module: Any, query: Tensor, key: Tensor, value: Tensor, mask: None, **given: Any
) -> tuple[Tensor, None]:
    """Torch's attention on a packed row, in which positions that begin anew begin a sample.

    Flash attention sees that by itself; here a matrix of all pairs says it.
    """
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    sample = (given["position_ids"] == 0).cumsum(1)
    within = (sample[:, :, None] == sample[:, None, :]).tril()[:, None]
    return sdpa_attention_forward(module, query, key, value, within, **given)
