"""Drawing tokens: temperature, top-k, top-p, and noise that depends on the place alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tessy.config import SamplingConfig
from tessy.engines.noise import gumbel

# Batches of other shapes round differently, by some 1e-5 of a score in float32. A decision with
# less margin than this is made anew from logits that do not depend on the batch.
MARGIN = 1e-3


@dataclass(frozen=True)
class Draw:
    """How to draw one row's token."""

    sampling: SamplingConfig
    key: int  # `noise.stream_key`
    position: int  # of the token to draw, in prompt and completion


def choose(logits: Tensor, draws: Sequence[Draw], tokens: Tensor) -> tuple[list[int], list[bool]]:
    """The drawn ids, and for each whether rounding could have decided it.

    Args:
        logits: float32, shape (rows, vocabulary).
        draws: one a row.
        tokens: `noise.token_keys` of the vocabulary.
    """
    device = logits.device
    heat = torch.tensor([d.sampling.temperature for d in draws], device=device)
    warm = heat > 0
    scores = logits / torch.where(warm, heat, 1.0)[:, None]
    close = torch.zeros(len(draws), dtype=torch.bool, device=device)
    if any(d.sampling.top_k or d.sampling.top_p < 1 for d in draws):
        scores, close = _cut(scores, draws)
    keys = torch.tensor([d.key for d in draws], dtype=torch.int64, device=device)
    places = torch.tensor([d.position for d in draws], dtype=torch.int64, device=device)
    noise = gumbel(keys, places, tokens)
    scores = scores + (
        noise if all(d.sampling.temperature > 0 for d in draws) else noise * warm[:, None]
    )
    best = scores.topk(2)
    close |= best.values[:, 0] - best.values[:, 1] < MARGIN
    return best.indices[:, 0].tolist(), close.tolist()


def _cut(scores: Tensor, draws: Sequence[Draw]) -> tuple[Tensor, Tensor]:
    """Scores without the tokens that top-k, then top-p leave out, and where that was close."""
    vocabulary = scores.shape[1]
    top_k = [min(d.sampling.top_k or vocabulary, vocabulary) for d in draws]
    top_p = torch.tensor([d.sampling.top_p for d in draws], device=scores.device)[:, None]
    last = torch.tensor(top_k, device=scores.device)[:, None] - 1
    ordered, ids = scores.sort(dim=-1, descending=True)
    rank = torch.arange(vocabulary, device=scores.device)
    following = ordered.gather(1, (last + 1).clamp(max=vocabulary - 1))
    gap = torch.where(last + 1 < vocabulary, ordered.gather(1, last) - following, 1.0)
    ordered = ordered.masked_fill(rank > last, float("-inf"))
    before = ordered.softmax(-1).cumsum(-1).roll(1, dims=-1)  # mass of the more likely tokens
    before[:, 0] = 0
    drop = (before >= top_p) & (top_p < 1)
    close = (gap[:, 0] < MARGIN) | (((before - top_p).abs() < MARGIN / 10) & (top_p < 1)).any(-1)
    ordered = ordered.masked_fill(drop, float("-inf"))
    return torch.empty_like(scores).scatter_(1, ids, ordered), close
