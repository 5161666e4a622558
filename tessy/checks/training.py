"""Fine-tuning, and the devices that it is spread over."""

from __future__ import annotations

from pathlib import Path

from tessy.config import DeepSpeedConfig, Experiment, TrainConfig
from tessy.errors import ConfigError


def check_training(e: Experiment) -> None:
    t, d = e.train, e.deepspeed
    _check_sequence_parallel(d, t)
    check_division(t, d.data_parallel)
    if t.packing and t.micro_batch != 1:
        raise ConfigError(
            f"train.micro_batch={t.micro_batch} with train.packing=true, which makes one row a "
            "forward pass",
            "set train.micro_batch=1, and train.max_length for longer rows",
        )
    zero_or_more = {
        "train.lora.rank": t.lora.rank,
        "train.loss.style_weight": t.loss.style_weight,
        "train.loss.capability_weight": t.loss.capability_weight,
    }
    for option, value in zero_or_more.items():
        if value < 0:
            raise ConfigError(f"{option}={value} is negative", f"set {option}=0 or more")
    if t.loss.style_weight == t.loss.capability_weight == 0:
        raise ConfigError("train.loss weighs no token", "set one of its weights above 0")
    if t.lora.rank and e.evaluate_epochs:
        raise ConfigError(
            "evaluate_epochs=true with LoRA, of which only the last adapter is kept",
            "set train.lora.rank=0, or evaluate_epochs=false",
        )
    if t.lora.rank and not t.lora.targets:
        raise ConfigError(
            "train.lora.targets=[] trains nothing", "set train.lora.targets=[all-linear]"
        )
    if t.lora.rank and not t.lora.merge and "evaluate" in e.stages:
        raise ConfigError(
            "train.lora.merge=false leaves an adapter, which stage=evaluate cannot read",
            "set train.lora.merge=true, or name the stages without it",
        )
    if t.memory.activation_offloading and t.memory.gradient_checkpointing == "off":
        raise ConfigError(
            "train.memory.activation_offloading=true moves the checkpointed activations, but "
            "train.memory.gradient_checkpointing=off",
            "set gradient_checkpointing=on",
        )
    if d.nodes > 1 and d.launcher == "local":
        raise ConfigError(
            f"deepspeed.nodes={d.nodes} with deepspeed.launcher=local",
            "set deepspeed.launcher to hostfile or slurm",
        )
    if d.launcher == "hostfile" and d.kind != "none" and not Path(d.hostfile).is_file():
        raise ConfigError(
            f"deepspeed.hostfile={d.hostfile!r} is no file", "write the nodes there, host slots=8"
        )


def _check_sequence_parallel(d: DeepSpeedConfig, t: TrainConfig) -> None:
    shared = d.sequence_parallel
    if shared < 1 or d.devices % shared:
        raise ConfigError(
            f"deepspeed.sequence_parallel={shared} does not divide the {d.devices} devices of "
            f"deepspeed={d.kind}",
            "set it to a divisor of deepspeed.processes x deepspeed.nodes, with deepspeed=zero3",
        )
    if shared > 1 and t.memory.attention in ("eager", "flex_attention"):
        raise ConfigError(
            f"train.memory.attention={t.memory.attention} with deepspeed.sequence_parallel="
            f"{shared}, which works with flash attention and torch's own",
            "set train.memory.attention=auto",
        )


def check_division(train: TrainConfig, devices: int) -> None:
    """Refuse a global batch that cannot be divided over the devices.

    Raises:
        ConfigError: micro_batch times devices does not divide it.
    """
    at_once = train.micro_batch * devices
    if train.global_batch % at_once:
        raise ConfigError(
            f"train.global_batch={train.global_batch} is not a multiple of "
            f"train.micro_batch={train.micro_batch} x {devices} devices",
            f"set train.global_batch to a multiple of {at_once}, or train.micro_batch lower",
        )
