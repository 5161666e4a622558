"""A Hugging Face model over a cache of slots, every row at its own position.

All tokens of a step, one of each decoding row and many of each prefilling row, go through the
model as one flat sequence, so nothing but attention is padded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoModelForTokenClassification
from transformers.integrations.moe import ExpertsInterface
from transformers.utils.logging import disable_progress_bar

from tessy.engines.cache import ATTENTION, Group, SlotCache
from tessy.errors import CheckpointError, MissingError

_EXPERTS = "tessy_dense"
_DENSE_EXPERTS = 8  # up to so many, all experts at once beat picking the tokens of each
_WIDTHS = (1, 8, 32, 128)  # rows of similar width attend together
_CLASSES = {"text": AutoModelForCausalLM, "labels": AutoModelForTokenClassification}


@dataclass(frozen=True)
class Feed:
    """New tokens of one row: `ids` go to positions `start`, `start` + 1, ... of `slot`."""

    slot: int
    start: int
    ids: Sequence[int]


class RowModel:
    """A model whose forward pass takes new tokens of any of its slots.

    Args:
        folder: a Hugging Face checkpoint.
        kind: text for next-token logits, labels for a token classifier.
        device: auto is CUDA where there is one. The CPU computes in float32, CUDA in bfloat16.
        n_slots: sequences in the cache; one more is kept for `alone`.
        max_context: longest sequence in tokens.

    Raises:
        MissingError: there is no such device.
        CheckpointError: the model cannot be read.
    """

    def __init__(
        self,
        folder: Path,
        kind: Literal["text", "labels"],
        device: Literal["auto", "cpu", "cuda"],
        n_slots: int,
        max_context: int,
    ) -> None:
        self.device = _device(device)
        disable_progress_bar()  # of weights that are read: a run shows its own bars
        dtype = torch.bfloat16 if self.device.type == "cuda" else torch.float32
        self.exact = dtype == torch.float32  # rounding is small enough to settle near ties
        try:
            model = _CLASSES[kind].from_pretrained(
                folder, dtype=dtype, attn_implementation=ATTENTION, local_files_only=True
            )
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise CheckpointError(
                f"the model in {folder} cannot be read ({error})", "copy its files there again"
            ) from error
        self.model: Any = model.to(self.device).eval().requires_grad_(False)
        if self.device.type == "cpu":
            _transpose_weights(self.model)
        config = self.model.config
        if getattr(config, "num_local_experts", _DENSE_EXPERTS + 1) <= _DENSE_EXPERTS:
            self.model.set_experts_implementation(_EXPERTS)
        self.kind, self.n_slots, self.max_context = kind, n_slots, max_context
        self.cache = SlotCache(config, n_slots + 1, dtype, self.device)
        types = set(getattr(config, "layer_types", None) or ["full_attention"])
        self._window = config.sliding_window if "sliding_attention" in types else None
        self._masks = {name: name for name in types}  # attention builds its own masks per group

    @torch.inference_mode()
    def forward(self, feeds: Sequence[Feed]) -> Tensor:
        """Append new tokens to their slots.

        Returns:
            For text the logits after the last token of each feed, float32 (feeds, vocabulary);
            for labels those of every token in the order of the feeds, float32 (tokens, labels).
        """
        order = sorted(range(len(feeds)), key=lambda i: (_width(len(feeds[i].ids)), feeds[i].slot))
        flat = [feeds[i] for i in order]
        self.cache.reserve(max(f.start + len(f.ids) for f in flat))
        positions = [p for f in flat for p in range(f.start, f.start + len(f.ids))]
        placed = self._tensor(positions)
        slots = self._tensor([f.slot for f in flat for _ in f.ids])
        groups = self._groups(flat)
        self.cache.aim(slots, placed, groups)
        extra: dict[str, Any] = {}
        if self.kind == "text":
            ends = torch.tensor([len(f.ids) for f in flat]).cumsum(0) - 1
            extra["logits_to_keep"] = ends.to(self.device)
        logits = self.model(
            input_ids=self._tensor([i for f in flat for i in f.ids])[None],
            attention_mask=self._masks,
            position_ids=placed[None],
            past_key_values=self.cache,
            use_cache=True,
            groups=groups,
            **extra,
        ).logits[0]
        return logits.float().index_select(0, self._restore(order, flat))

    def alone(self, ids: Sequence[int]) -> Tensor:
        """The same for one whole sequence by itself: its rounding depends on nothing else."""
        return self.forward([Feed(self.n_slots, 0, ids)])

    def _restore(self, order: list[int], flat: list[Feed]) -> Tensor:
        """Indices that bring the output back into the order of the feeds."""
        if self.kind == "text":
            back = [0] * len(order)
            for place, i in enumerate(order):
                back[i] = place
            return self._tensor(back)
        spans: list[range] = [range(0)] * len(order)
        start = 0
        for i, f in zip(order, flat, strict=True):
            spans[i] = range(start, start + len(f.ids))
            start += len(f.ids)
        return self._tensor([j for span in spans for j in span])

    def _groups(self, flat: list[Feed]) -> list[Group]:
        groups, start, offset = [], 0, 0
        while start < len(flat):
            bound = _width(len(flat[start].ids))
            end = start + 1
            while end < len(flat) and _width(len(flat[end].ids)) == bound:
                end += 1
            groups.append(self._group(flat[start:end], offset))
            offset += sum(len(f.ids) for f in flat[start:end])
            start = end
        return groups

    def _group(self, feeds: list[Feed], offset: int) -> Group:
        """A group of feeds whose tokens begin at `offset` of the flat sequence."""
        width = max(len(f.ids) for f in feeds)
        length = max(f.start + len(f.ids) for f in feeds)
        everyone = width == 1 and 2 * len(feeds) > self.n_slots + 1
        n_rows = self.n_slots + 1 if everyone else len(feeds)
        take, positions = [offset] * (n_rows * width), [0] * (n_rows * width)
        put: list[int] = []
        for row, f in enumerate(feeds):
            first = (f.slot if everyone else row) * width
            n = len(f.ids)
            take[first : first + n] = range(offset, offset + n)
            positions[first : first + n] = range(f.start, f.start + n)
            put.extend(range(first, first + n))
            offset += n
        place = self._tensor(positions).view(n_rows, 1, 1, width, 1)
        keys = torch.arange(length, device=self.device)
        seen = keys <= place
        return Group(
            slots=None if everyone else self._tensor([f.slot for f in feeds]),
            width=width,
            length=length,
            take=self._tensor(take),
            put=self._tensor(put) if len(put) < len(take) else None,
            full=self._bias(seen),
            sliding=self._bias(seen & (keys > place - self._window)) if self._window else None,
        )

    def _bias(self, seen: Tensor) -> Tensor:
        return torch.zeros(seen.shape, device=self.device).masked_fill_(~seen, float("-inf"))

    def _tensor(self, values: list[int]) -> Tensor:
        return torch.tensor(values, dtype=torch.int64, device=self.device)


def _width(n: int) -> int:
    """The class of widths that `n` new tokens belong to."""
    return next((w for w in _WIDTHS if n <= w), n.bit_length() << 8)


def _device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise MissingError("engine.device=cuda, but torch sees no GPU", "set engine.device=cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def _transpose_weights(model: torch.nn.Module) -> None:
    """Lay weights out as (in, out): for few rows the CPU's matrix product is twice as fast so."""
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            module.weight.data = module.weight.data.t().contiguous().t()


def _dense(experts: Any, hidden: Tensor, indices: Tensor, weights: Tensor) -> Tensor:
    """All experts on all tokens, (tokens, hidden): few experts are faster so than picked apart."""
    up = torch.baddbmm(
        experts.gate_up_proj_bias[:, None],
        hidden.expand(experts.num_experts, -1, -1),
        experts.gate_up_proj,
    )
    down = torch.baddbmm(
        experts.down_proj_bias[:, None], experts._apply_gate(up), experts.down_proj
    )
    share = weights.new_zeros(len(hidden), experts.num_experts).scatter_(1, indices, weights)
    return torch.einsum("te,eth->th", share, down).to(hidden.dtype)


ExpertsInterface.register(_EXPERTS, _dense)
