"""A cache of keys and values in slots, and attention of many rows at their own positions.

Attention is registered with transformers under its own name. It works on groups of rows with a
similar number of new tokens, on the slots themselves where most of them take part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface
from transformers.cache_utils import Cache

_GROWTH = 256  # positions a slot starts with; doubled when needed
ATTENTION = "tessy_slots"


@dataclass(frozen=True)
class Group:
    """Rows that attend together, padded to `width` new tokens each."""

    slots: Tensor | None  # (rows,); None: all slots, which saves copying their keys and values
    width: int
    length: int  # keys to attend to
    take: Tensor  # (rows * width,) indices into the flat tokens
    put: Tensor | None  # which of (rows * width) are real; None: all, and `take` is a range
    full: Tensor  # additive masks (rows, 1, 1, width, length)
    sliding: Tensor | None


class SlotCache(Cache):
    """Keys and values of `n_slots` sequences, (slots, heads, capacity, head size) a layer."""

    def __init__(self, config: Any, n_slots: int, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__(layers=[])
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        self.n_slots, self.heads, self.size = n_slots, config.num_key_value_heads, size
        self.capacity = 0
        self.device = device
        empty = torch.zeros(n_slots, self.heads, 0, size, dtype=dtype, device=device)
        self.store = [[empty, empty] for _ in range(config.num_hidden_layers)]
        self.index = torch.empty(0)  # where the tokens of this step go, (heads * tokens,)
        self.groups: list[Group] = []

    def reserve(self, length: int) -> None:
        """Make room for sequences of `length` tokens."""
        if length <= self.capacity:
            return
        more = max(_GROWTH, self.capacity, length - self.capacity)
        for layer in self.store:
            for i, old in enumerate(layer):
                layer[i] = torch.cat([old, old.new_zeros(*old.shape[:2], more, self.size)], dim=2)
        self.capacity += more

    def aim(self, slots: Tensor, positions: Tensor, groups: list[Group]) -> None:
        """Say where the tokens of the next step go and how they attend."""
        heads = torch.arange(self.heads, device=self.device)[:, None]
        self.index = ((slots * self.heads + heads) * self.capacity + positions).reshape(-1)
        self.groups = groups

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        keys, values = self.store[layer_idx]
        keys.view(-1, self.size).index_copy_(0, self.index, key_states.reshape(-1, self.size))
        values.view(-1, self.size).index_copy_(0, self.index, value_states.reshape(-1, self.size))
        return keys, values


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: str,
    scaling: float,
    groups: list[Group],
    s_aux: Tensor | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attention of flat queries (1, heads, tokens, size) to the slots; (1, tokens, heads, size)."""
    flat = query[0].transpose(0, 1) * scaling
    heads, size = flat.shape[1:]
    out = torch.empty_like(flat) if len(groups) > 1 or groups[0].put is not None else None
    for g in groups:
        bias = g.sliding if attention_mask == "sliding_attention" else g.full
        assert bias is not None
        q = flat.index_select(0, g.take).view(
            -1, g.width, key.shape[1], heads // key.shape[1], size
        )
        q = q.permute(0, 2, 3, 1, 4)  # rows, key heads, queries a key head, width, size
        shape = q.shape
        k, v = key[:, :, : g.length], value[:, :, : g.length]
        if g.slots is not None:
            k, v = k.index_select(0, g.slots), v.index_select(0, g.slots)
        scores = q.reshape(*shape[:2], -1, size) @ k.transpose(-1, -2)
        scores = scores.view(*shape[:4], g.length) + bias
        mix = scores.softmax(-1, dtype=torch.float32).to(v.dtype).view(*shape[:2], -1, g.length) @ v
        mix = mix.view(shape)
        if s_aux is not None:  # a sink takes its share of the softmax and gives nothing
            sink = s_aux.float().view(1, shape[1], shape[2], 1)
            share = torch.sigmoid(scores.logsumexp(-1) - sink)
            mix = mix * share[..., None].to(mix.dtype)
        rows = mix.permute(0, 3, 1, 2, 4).reshape(-1, heads, size)
        if out is None:
            return rows[None], None
        if g.put is None:
            out.index_copy_(0, g.take, rows)
        else:
            out.index_copy_(0, g.take.index_select(0, g.put), rows.index_select(0, g.put))
    assert out is not None
    return out[None], None


AttentionInterface.register(ATTENTION, attend)
