"""From tessy's TrainConfig to TRL's SFTConfig: batches, steps, schedule, precision, threads.

What the configuration leaves open follows from the machine and the model's size by the rules here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tessy.config import TrainConfig
from tessy.errors import ConfigError

if TYPE_CHECKING:
    from trl.trainer.sft_config import SFTConfig

SINGLE_THREAD_BELOW = 30e6  # parameters; below, a second CPU thread costs more than it brings
RECOMPUTE_ABOVE = 500e6  # parameters; above, activations are recomputed to save memory


@dataclass(frozen=True)
class Plan:
    """Steps of one training; a step is one update of the weights from a global batch."""

    accumulation: int  # forward passes a step and device
    steps_per_epoch: int
    steps: int  # in all
    warmup_steps: int
    save_at: frozenset[int]  # steps after which a resumable checkpoint is written


def plan(config: TrainConfig, samples: int, world_size: int) -> Plan:
    """Divide `samples` over `world_size` devices.

    Raises:
        ConfigError: micro_batch times devices does not divide the global batch.
    """
    at_once = config.micro_batch * world_size
    if config.global_batch % at_once:
        raise ConfigError(
            f"train.global_batch={config.global_batch} is not a multiple of "
            f"train.micro_batch={config.micro_batch} x {world_size} devices",
            f"set train.global_batch to a multiple of {at_once}, or train.micro_batch lower",
        )
    per_epoch = math.ceil(samples / config.global_batch)
    parts = config.checkpoints_per_epoch
    ends = {math.ceil(per_epoch * part / parts) for part in range(1, parts + 1)}
    steps = per_epoch * config.epochs
    return Plan(
        accumulation=config.global_batch // at_once,
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


def threads(parameters: int) -> int | None:
    """CPU threads for a model of that many parameters; None leaves torch's choice."""
    return 1 if parameters < SINGLE_THREAD_BELOW else None


def sft_config(
    config: TrainConfig,
    steps: Plan,
    learning_rate: float,
    seed: int,
    checkpoints: Path,
    parameters: int,
) -> SFTConfig:
    """TRL's arguments for full-parameter training on exact ids.

    Args:
        checkpoints: folder of the resumable checkpoints.
        parameters: of the model, in all.
    """
    import torch
    from trl.trainer.sft_config import SFTConfig

    cuda = torch.cuda.is_available()
    return SFTConfig(
        output_dir=str(checkpoints),
        # The ids are final: TRL shall neither render, tokenize, cut nor pack them.
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        packing=False,
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.micro_batch,
        gradient_accumulation_steps=steps.accumulation,
        learning_rate=learning_rate,
        lr_scheduler_type={"constant": "constant_with_warmup"}.get(
            config.schedule, config.schedule
        ),
        warmup_steps=steps.warmup_steps,
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        optim="adamw_torch_fused",
        use_cpu=not cuda,
        bf16=computes_in_bf16(config),
        fp16=False,
        gradient_checkpointing=parameters > RECOMPUTE_ABOVE,
        dataloader_pin_memory=cuda,
        seed=seed,
        data_seed=seed,
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,  # a loss that is not a number shall be seen, not smoothed
        save_strategy="no",  # train.callbacks says when
        eval_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )
