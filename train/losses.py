"""The negative log-likelihood of each token."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional

from train.examples import IGNORED


def token_losses(model: Any, batch: dict[str, Any], chunked: bool) -> Tensor:
    """The negative log-likelihood of every labelled token, 0 for the others.

    Args:
        model: with TRL's fused head, if `chunked`.
        batch: arguments of its forward pass, and `labels` of shape [rows, length]; or instead
            `shift_labels`, of the next position each.
        chunked: whether TRL's head computes it some hundred positions at a time, in the backward
            pass too, so that the logits of a row (length times vocabulary) are never held.

    Returns:
        Shape [rows, length - 1]: of the tokens from the second on; or of `shift_labels`.
    """
    if chunked:
        return -model(**batch, use_cache=False, fused_lm_head=True).log_probs
    inputs = {name: value for name, value in batch.items() if "labels" not in name}
    logits = model(**inputs, use_cache=False).logits.float()
    labels = batch.get("shift_labels")
    if labels is None:
        labels, logits = batch["labels"][:, 1:], logits[:, :-1]
    losses = functional.cross_entropy(
        logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="none"
    )
    return losses.view_as(labels)
