"""From tessy's TrainConfig to the trainers' arguments: steps, schedule, precision, threads.

What the configuration leaves open follows from the machine and the model's size by the rules here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tessy.checks.training import check_division
from tessy.config import TrainConfig

if TYPE_CHECKING:
    from transformers import TrainingArguments

SINGLE_THREAD_BELOW = 30e6  # parameters; below, a second CPU thread costs more than it brings
RECOMPUTE_ABOVE = 500e6  # parameters; above, activations are recomputed to save memory
CHUNKED_ABOVE = 256e6  # bytes of a forward pass's logits in fp32; above, they are taken in parts


@dataclass(frozen=True)
class Plan:
    """Steps of one training; a step is one update of the weights from a global batch."""

    accumulation: int  # forward passes a step and device
    steps_per_epoch: int
    steps: int  # in all
    warmup_steps: int
    save_at: frozenset[int]  # steps after which a resumable checkpoint is written


def plan(config: TrainConfig, samples: int, devices: int, passes: int | None = None) -> Plan:
    """Divide `samples` over the devices.

    Args:
        passes: forward passes a step and device, if not `micro_batch` decides (packing).

    Raises:
        ConfigError: micro_batch times devices does not divide the global batch.
    """
    check_division(config, devices)
    per_epoch = math.ceil(samples / config.global_batch)
    parts = config.checkpoints_per_epoch
    ends = {math.ceil(per_epoch * part / parts) for part in range(1, parts + 1)}
    steps = per_epoch * config.epochs
    return Plan(
        accumulation=passes or config.global_batch // (config.micro_batch * devices),
        steps_per_epoch=per_epoch,
        steps=steps,
        warmup_steps=math.ceil(config.warmup_ratio * steps),
        save_at=frozenset(
            epoch * per_epoch + end for epoch in range(config.epochs) for end in ends
        ),
    )


def computes_in_bf16(config: TrainConfig) -> bool:
    """bf16 matrix work (over fp32 weights) where asked for and a GPU is there.

    A CPU computes in fp32 whatever is asked: it has no faster bf16 for small matrices.
    """
    import torch

    return config.precision == "bf16" and torch.cuda.is_available()


def threads(parameters: float) -> int | None:
    """CPU threads for a model of that many parameters; None leaves torch's choice."""
    return 1 if parameters < SINGLE_THREAD_BELOW else None


def recomputes(config: TrainConfig, parameters: float) -> bool:
    """Whether activations are recomputed in the backward pass."""
    wanted = config.memory.gradient_checkpointing
    return parameters > RECOMPUTE_ABOVE if wanted == "auto" else wanted == "on"


def chunks(config: TrainConfig, vocabulary: int) -> bool:
    """Whether the logits of a forward pass are never held as a whole.

    Then they are taken a second time in the backward pass, which small models notice.
    """
    rows = 1 if config.packing else config.micro_batch
    large = rows * config.max_length * vocabulary * 4 > CHUNKED_ABOVE
    wanted = config.memory.cross_entropy
    return large if wanted == "auto" else wanted == "chunked"


def trainer_arguments(
    config: TrainConfig, steps: Plan, learning_rate: float, seed: int, checkpoints: Path
) -> dict[str, Any]:
    """What every trainer is told, as arguments of transformers' TrainingArguments.

    Args:
        checkpoints: folder of the resumable checkpoints.
    """
    import torch

    cuda = torch.cuda.is_available()
    return {
        "output_dir": str(checkpoints),
        "num_train_epochs": config.epochs,
        "per_device_train_batch_size": config.micro_batch,
        "gradient_accumulation_steps": steps.accumulation,
        "learning_rate": learning_rate,
        "lr_scheduler_type": {"constant": "constant_with_warmup"}.get(
            config.schedule, config.schedule
        ),
        "warmup_steps": steps.warmup_steps,
        "weight_decay": config.weight_decay,
        "max_grad_norm": config.max_grad_norm,
        "optim": "adamw_torch_fused",
        "use_cpu": not cuda,
        "bf16": computes_in_bf16(config),
        "dataloader_pin_memory": cuda,
        "remove_unused_columns": False,
        "seed": seed,
        "data_seed": seed,
        "logging_strategy": "steps",
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # a loss that is no number shall be seen, not smoothed
        "save_strategy": "no",  # train.callbacks says when
        "eval_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
    }


def sft_arguments(
    config: TrainConfig, parameters: float, deepspeed: dict[str, Any] | None
) -> dict[str, Any]:
    """What TRL's SFTConfig takes besides, for training on exact ids.

    Args:
        parameters: of the model, in all.
        deepspeed: its configuration, or None for one device.
    """
    return {
        # The ids are final: TRL shall neither render, tokenize, cut nor pack them.
        "dataset_kwargs": {"skip_prepare_dataset": True},
        "max_length": None,
        "packing": False,
        "fp16": False,
        "gradient_checkpointing": recomputes(config, parameters),
        "activation_offloading": config.memory.activation_offloading,
        "deepspeed": deepspeed,
    }


def one_gpu(arguments: TrainingArguments) -> None:
    """One process, one GPU: what several gain is DeepSpeed's business."""
    if arguments.n_gpu > 1:
        arguments._n_gpu = 1
