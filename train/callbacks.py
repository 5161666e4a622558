"""What happens beside the training loop: the loss curve, the progress bar, when to save."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from tessy.errors import TrainingError
from tessy.progress import bar


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
    the global batch, before the update), `learning_rate`, `grad_norm` (before clipping), `tokens`
    (of the global batch, without padding) and `tokens_per_second`, which alone is not reproducible.

    Args:
        path: of the curve.
        options: the group of options that an error speaks of.
    """

    def __init__(self, path: Path, options: str) -> None:
        self.path = path
        self.options = options
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
                    f"learning rate {logs['learning_rate']:.3g} (curve: {self.path})",
                    f"lower {self.options}.learning_rate; the checkpoint before it is kept",
                )
        tokens, self.seen = logs["num_tokens"] - self.seen, logs["num_tokens"]
        if not state.is_world_process_zero:
            return
        line = {
            "step": state.global_step,
            **{name: logs[name] for name in ("epoch", "loss", "learning_rate", "grad_norm")},
            "tokens": int(tokens),
            "tokens_per_second": round(tokens / (time.perf_counter() - self.began)),
        }
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


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
