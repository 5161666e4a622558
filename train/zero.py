"""DeepSpeed's own configuration, and proof that it is at work."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from tessy.config import DeepSpeedConfig
from tessy.errors import TrainingError

STAGES = {"zero2": 2, "zero3": 3, "zero3_offload": 3}


def zero_config(config: DeepSpeedConfig) -> dict[str, Any] | None:
    """What DeepSpeed is told; "auto" follows the trainer's arguments. None for one device."""
    if config.kind == "none":
        return None
    stage = STAGES[config.kind]
    zero: dict[str, Any] = {"stage": stage, "contiguous_gradients": True, "overlap_comm": True}
    if stage == 3:
        sizes = ("stage3_prefetch_bucket_size", "stage3_param_persistence_threshold")
        zero |= {"reduce_bucket_size": "auto", **dict.fromkeys(sizes, "auto")}
        zero["stage3_gather_16bit_weights_on_model_save"] = True
    found: dict[str, Any] = {
        "zero_optimization": zero,
        "bf16": {"enabled": "auto"},
        "gradient_clipping": "auto",
        "train_micro_batch_size_per_gpu": "auto",
        "gradient_accumulation_steps": "auto",
        "steps_per_print": 1 << 40,  # never: the curve says it
    }
    if config.kind == "zero3_offload":
        zero |= {"offload_optimizer": {"device": "cpu"}, "offload_param": {"device": "cpu"}}
        automatic = dict.fromkeys(("lr", "betas", "eps", "weight_decay"), "auto")
        found["optimizer"] = {"type": "AdamW", "params": automatic}  # its own, for the CPU
    return found


def compile_nothing() -> None:
    """Have processes on a CPU talk by gloo.

    DeepSpeed would compile an operator of its own for them, a minute's work of a C++ compiler that
    gains nothing for the small models that are trained there.
    """
    import deepspeed

    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False


class EngineCheck(TrainerCallback):
    """Stops a training that is not divided as asked: under another launcher, DeepSpeed's
    configuration is ignored in silence."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.trainer: Any = None  # set when there is one

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        from deepspeed import DeepSpeedEngine

        engine = self.trainer.model_wrapped
        stage = engine.zero_optimization_stage() if isinstance(engine, DeepSpeedEngine) else None
        if stage != STAGES[self.kind]:
            raise TrainingError(
                f"deepspeed={self.kind}, but the model is run by {type(engine).__name__} with "
                f"ZeRO stage {stage}",
                "check ACCELERATE_* in the environment, which override it",
            )
