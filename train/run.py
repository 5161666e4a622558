"""The SFT stage: a student and a file of trajectories become a fine-tuned model."""

from __future__ import annotations

import copy
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tessy.checkpoints import locate
from tessy.config import ModelConfig, TrainConfig
from tessy.dialects import load_dialect
from tessy.errors import CheckpointError, StorageError, TessyError
from train.arguments import Plan, computes_in_bf16, plan, sft_config, threads
from train.curve import CURVE, read_curve
from train.examples import Example, read_examples

if TYPE_CHECKING:
    from train.trainer import Trainer

CHECKPOINTS, MODEL = "checkpoints", "model"


def finetune(
    trajectories: Path,
    student: ModelConfig,
    train: TrainConfig,
    learning_rate: float,
    seed: int,
    folder: Path,
    label: str,
) -> dict[str, float]:
    """Fine-tune all parameters of `student`; killed at any moment, the same call goes on.

    On one CPU thread the result is the same, bit for bit, however often it was interrupted.

    Args:
        trajectories: JSONL file of `Trajectory` records.
        learning_rate: peak, instead of `train.learning_rate` (the dial).
        seed: of the order of the samples.
        folder: receives `model/`, `curve.jsonl` and, while training, `checkpoints/`.
        label: of the progress bar.

    Returns:
        Counts: those of `train.examples.Examples`, `steps`, `trained_tokens` (all epochs),
        `final_loss` (mean over the last epoch).

    Raises:
        ConfigError: the batch cannot be divided over the devices.
        DataError: a malformed sample, or none to train on.
        CheckpointError: the student cannot be loaded.
        TrainingError: the loss is not a finite number.
        StorageError: the disk refuses.
    """
    source = locate(student.path)
    dialect = load_dialect(student.dialect, source, student.template)
    data = read_examples(trajectories, dialect, train.max_length)
    steps = plan(train, len(data.examples), int(os.environ.get("WORLD_SIZE", "1")))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / MODEL).is_dir():
            from train.isolation import isolated

            with isolated():
                _train(source, data.examples, train, steps, learning_rate, seed, folder, label)
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
        return data.counts | _summary(folder, steps)
    except OSError as error:
        if isinstance(error, TessyError):
            raise
        raise StorageError(
            f"{folder} cannot be written ({error})",
            "free space there or set outputs_dir elsewhere, and run the same command again",
        ) from error


def _train(
    source: Path,
    examples: list[Example],
    train: TrainConfig,
    steps: Plan,
    learning_rate: float,
    seed: int,
    folder: Path,
    label: str,
) -> None:
    import torch

    from train.callbacks import Curve, Progress, Schedule, rewind
    from train.checkpoints import newest_checkpoint, storage
    from train.epochs import KeepEpochs

    model = _load(source)
    count = threads(model.num_parameters())
    if count is not None and not torch.cuda.is_available():
        torch.set_num_threads(count)
    arguments = sft_config(
        train, steps, learning_rate, seed, folder / CHECKPOINTS, model.num_parameters()
    )
    resumed = newest_checkpoint(folder / CHECKPOINTS)
    rewind(folder / CURVE, int(resumed.name.split("-")[1]) if resumed else 0)
    progress = Progress(label, steps.steps)
    callbacks = [Schedule(steps.save_at), Curve(folder / CURVE, "train"), progress]
    if train.keep_epochs:

        def publish(model: Any, target: Path) -> None:
            with storage("the model of an epoch", folder):
                _publish(copy.deepcopy(model), source, target, computes_in_bf16(train))

        callbacks.append(KeepEpochs(folder, train.epochs, publish))
    trainer = _trainer(model, source, arguments, examples, callbacks)
    try:
        trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
    finally:
        progress.close()
    if trainer.is_world_process_zero():
        with storage("the model", folder):
            _publish(model, source, folder / MODEL, computes_in_bf16(train))


def _load(source: Path) -> Any:
    """The student with fp32 weights: a small learning rate vanishes in the rounding of bf16."""
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    try:
        return AutoModelForCausalLM.from_pretrained(
            source, dtype=torch.float32, local_files_only=True
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(
            f"the model in {source} cannot be loaded ({error})", "copy it there again"
        ) from error


def _trainer(
    model: Any, source: Path, arguments: Any, examples: list[Example], callbacks: list[Any]
) -> Trainer:
    from datasets import Dataset
    from transformers import AutoTokenizer, PrinterCallback

    from train.collate import Collator
    from train.trainer import Trainer

    tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=True)
    pad = tokenizer.pad_token_id
    rows = Dataset.from_dict(
        {
            "input_ids": [e.input_ids for e in examples],
            "labels": [e.labels for e in examples],
        }
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        data_collator=Collator(tokenizer.eos_token_id if pad is None else pad),
        train_dataset=rows,
        processing_class=tokenizer,
        callbacks=callbacks,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _publish(model: Any, source: Path, target: Path, bf16: bool) -> None:
    """Write weights, configuration and the student's own tokenizer, complete or not at all."""
    import torch

    from train.checkpoints import copy_tokenizer

    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    if bf16:
        model.to(torch.bfloat16)  # as it was computed with, and will be served
    model.save_pretrained(partial)
    copy_tokenizer(source, partial)
    # Training all parameters changes no setting but the precision; the trainer's own edits (no
    # key-value cache, other stop ids) are not wanted.
    settings = json.loads((source / "config.json").read_text(encoding="utf-8"))
    settings["dtype"] = "bfloat16" if bf16 else "float32"
    settings.pop("torch_dtype", None)
    (partial / "config.json").write_text(json.dumps(settings, indent=2), encoding="utf-8")
    partial.rename(target)


def _summary(folder: Path, steps: Plan) -> dict[str, float]:
    curve = read_curve(folder / CURVE)
    last = [line["loss"] for line in curve[-steps.steps_per_epoch :]]
    return {
        "steps": float(len(curve)),
        "trained_tokens": float(sum(line["tokens"] for line in curve)),
        "final_loss": sum(last) / len(last),
    }
