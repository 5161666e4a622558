"""The student as a model to train: weights, attention kernel, low-rank updates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tessy.config import LoraConfig, TrainConfig
from tessy.errors import CheckpointError, ConfigError, MissingError
from train.arguments import computes_in_bf16


def attention(config: TrainConfig, shared: int = 1) -> str:
    """The attention kernel by transformers' name: the one asked for, or the best that is here.

    Flash attention never holds a matrix of all pairs and knows where the samples of a packed row
    begin. Without it, flex attention does the same, compiled. On the CPU, and for samples that are
    not packed, torch's own is as good. Flex attention does not share rows.

    Args:
        shared: devices that share each row.
    """
    import torch
    from transformers.utils.import_utils import is_flash_attn_2_available, is_flash_attn_3_available

    wanted = config.memory.attention
    if wanted != "auto":
        return wanted
    if not computes_in_bf16(config):
        return "sdpa"
    if is_flash_attn_3_available() and torch.cuda.get_device_capability() >= (9, 0):
        return "flash_attention_3"
    if is_flash_attn_2_available():
        return "flash_attention_2"
    return "flex_attention" if config.packing and shared == 1 else "sdpa"


def load_student(source: Path, kernel: str, frozen_bf16: bool = False) -> Any:
    """The model with fp32 weights: a small learning rate vanishes in the rounding of bf16.

    Args:
        kernel: see `attention`.
        frozen_bf16: load what will not be trained, in half the memory.

    Raises:
        CheckpointError: the files cannot be read.
        MissingError: the kernel is not installed.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    try:
        return AutoModelForCausalLM.from_pretrained(
            source,
            dtype=torch.bfloat16 if frozen_bf16 else torch.float32,
            attn_implementation=kernel,
            local_files_only=True,
        )
    except ImportError as error:
        raise MissingError(
            f"train.memory.attention={kernel} is not installed here ({error})",
            "install it, or set train.memory.attention=auto",
        ) from error
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(
            f"the model in {source} cannot be loaded ({error})", "copy it there again"
        ) from error


def add_lora(model: Any, config: LoraConfig, seed: int) -> Any:
    """The model with low-rank updates to train, drawn by `seed`, and all else frozen.

    Raises:
        ConfigError: no module of the model bears one of the names.
    """
    from peft import LoraConfig as Settings
    from peft import get_peft_model
    from transformers import set_seed

    one = config.targets == ("all-linear",)
    settings = Settings(
        task_type="CAUSAL_LM",
        r=config.rank,
        lora_alpha=config.alpha,  # type: ignore[arg-type]  # it divides
        lora_dropout=config.dropout,
        target_modules="all-linear" if one else list(config.targets),
    )
    set_seed(seed)
    try:
        return get_peft_model(model, settings)
    except ValueError as error:
        raise ConfigError(
            f"train.lora.targets={list(config.targets)} match no module of {model.name_or_path} "
            f"({error})",
            "name its matrices, such as q_proj, or set train.lora.targets=[all-linear]",
        ) from error


def merge_lora(source: Path, adapter: Path, bf16: bool, target: Path) -> None:
    """Add the updates in `adapter` to the weights of `source` and write the model to `target`."""
    from peft import PeftModel

    from train.checkpoints import publish

    model = PeftModel.from_pretrained(load_student(source, "sdpa"), adapter)
    publish(model.merge_and_unload(), source, target, bf16)
