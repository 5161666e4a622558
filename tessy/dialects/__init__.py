"""Dialects: one file a model family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tessy.checkpoints import load_tokenizer
from tessy.dialects.base import NO_ARGUMENTS, Dialect
from tessy.dialects.deepseek_r1 import deepseek_r1
from tessy.dialects.gpt_oss import gpt_oss
from tessy.dialects.qwen3 import qwen3
from tessy.errors import ConfigError, nearest

__all__ = ["DIALECTS", "Dialect", "load_dialect"]

DIALECTS: dict[str, Callable[..., Dialect]] = {
    "qwen3": qwen3,
    "gpt_oss": gpt_oss,
    "deepseek_r1": deepseek_r1,
}


def load_dialect(name: str, folder: Path, template: Mapping[str, Any] = NO_ARGUMENTS) -> Dialect:
    """A dialect bound to the tokenizer and chat template of the checkpoint in `folder`.

    Args:
        name: a key of `DIALECTS`.
        folder: holds the tokenizer.
        template: arguments of its chat template (`ModelConfig.template`).

    Raises:
        ConfigError: no such dialect, or the chat template has no such argument.
        CheckpointError: the tokenizer cannot be read or lacks the dialect's tokens.
    """
    if name not in DIALECTS:
        raise ConfigError(f"dialect {name!r} is unknown", nearest(name, DIALECTS))
    return DIALECTS[name](load_tokenizer(folder), template)
