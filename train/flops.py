"""Floating-point work of training, and what share of a GPU's rate it reaches (MFU)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class Flops:
    """Counts the work of training a model: forward and backward pass, nothing recomputed.

    2 for each weight of a matrix and token, and 2 for each pair of a token and one that it sees,
    channel of the heads and product (queries by keys, weights by values); a token sees those before
    it in its own sample. The backward pass is twice that.
    """

    def __init__(self, config: Any) -> None:
        from trl.trainer.utils import compute_flops_per_token

        text = config.get_text_config()
        heads = text.num_attention_heads
        width = heads * (getattr(text, "head_dim", None) or text.hidden_size // heads)
        self.a_token = compute_flops_per_token(text, 0)
        self.a_pair = 3 * 2 * 2 * width * text.num_hidden_layers

    def of(self, lengths: Iterable[int]) -> float:
        """Of samples of these lengths, whichever rows they stand in."""
        return sum(self.a_token * n + self.a_pair * n * (n + 1) / 2 for n in lengths)


def peak_rate() -> float | None:
    """bf16 operations a second of the GPU by its maker's data sheet; None where it isn't known."""
    import torch
    from trl.trainer.utils import get_peak_flops

    if not torch.cuda.is_available():
        return None
    return get_peak_flops(torch.cuda.get_device_name(), "bfloat16")
