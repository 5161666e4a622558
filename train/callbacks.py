"""What happens beside the training loop: the loss curve, the progress bar, when to save."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from tessy.errors import TrainingError
from tessy.machine import peak_memory
from tessy.progress import bar

PARTS = ("loss_capability", "loss_style")  # of the loss, equation 2


class Schedule(TrainerCallback):
    """Asks for a checkpoint after the given steps."""

    def __init__(self, save_at: frozenset[int]) -> None:
        self.save_at = save_at

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        control.should_save = state.global_step in self.save_at
        return control


class Curve(TrainerCallback):
    """Appends a line to the curve after each step, and stops at a loss that is no number.

    A line holds `step` (from 1), `epoch` (fraction), `loss` (mean over the completion tokens of
    the global batch, before the update), `loss_capability` and `loss_style` (the same of the tokens
    that the teacher and that the student wrote, unweighted), `learning_rate`, `grad_norm` (before
    clipping), `tokens` (of the global batch, without padding), `padding` (share of the positions
    that were computed or waited for and hold none) and what depends on the machine (`CLOCKED`):
    `tokens_per_second`, `mfu` (share of the GPUs' rate by their data sheet) and `memory_gb` (the
    most that this process held so far, on its GPU if there is one). A figure that does not exist is
    left out.

    Args:
        path: of the curve.
        options: the group of options that an error speaks of.
        samples: names those of a step (from 0), for the error.
        rate: operations a second of all devices; None where they are unknown.
    """

    def __init__(
        self,
        path: Path,
        options: str,
        samples: Callable[[int], str] = lambda step: "",
        rate: float | None = None,
    ) -> None:
        self.path = path
        self.options = options
        self.samples = samples
        self.rate = rate
        self.seen = 0.0  # tokens since this process began
        self.began = 0.0

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.began = time.perf_counter()

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any
    ) -> None:
        logs: dict[str, float] = others["logs"]
        if "loss" not in logs:  # the trainer's closing summary
            return
        for name in ("loss", "grad_norm"):
            if not math.isfinite(logs[name]):
                raise TrainingError(
                    f"{name} is {logs[name]} at step {state.global_step} of {state.max_steps}, "
                    f"learning rate {logs['learning_rate']:.3g} (curve: {self.path})"
                    f"{self.samples(state.global_step - 1)}",
                    f"lower {self.options}.learning_rate; the checkpoint before it is kept",
                )
        tokens, self.seen = logs["num_tokens"] - self.seen, logs["num_tokens"]
        if not state.is_world_process_zero:
            return
        seconds = time.perf_counter() - self.began
        line = {
            "step": state.global_step,
            **{name: logs[name] for name in ("epoch", "loss", "learning_rate", "grad_norm")},
            **{name: logs[name] for name in PARTS if name in logs},
            "tokens": int(tokens),
            "tokens_per_second": round(tokens / seconds),
            "memory_gb": round(peak_bytes() / 1e9, 3),
        }
        if "positions" in logs:
            line["padding"] = round(1 - tokens / logs["positions"], 6)
        if self.rate is not None:
            line["mfu"] = round(logs["flops"] / seconds / self.rate, 4)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def peak_bytes() -> int:
    """The most memory that this process held so far: of its GPU, or else of the machine."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return peak_memory()


class Progress(TrainerCallback):
    """One bar of steps."""

    def __init__(self, label: str, steps: int) -> None:
        self.label = label
        self.steps = steps
        self.bar: Any = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if state.is_world_process_zero:
            self.bar = bar(self.steps, self.label, "steps", done=state.global_step)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if self.bar is not None:
            self.bar.update(1)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()


def rewind(path: Path, step: int) -> None:
    """Drop what the curve says of steps after `step`: they will be taken again."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if not line.endswith("\n") or json.loads(line)["step"] > step:
            break  # the last line may be half written
        kept.append(line)
    partial = path.with_suffix(".partial")
    partial.write_text("".join(kept), encoding="utf-8")
    partial.replace(path)
