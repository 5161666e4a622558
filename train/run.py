"""The SFT stage: a student and a file of trajectories become a fine-tuned model."""

from __future__ import annotations

import shutil
from pathlib import Path

from tessy.checkpoints import locate
from tessy.config import DeepSpeedConfig, ModelConfig, TrainConfig
from tessy.errors import StorageError, TessyError
from train.arguments import computes_in_bf16, plan
from train.curve import CURVE, read_curve
from train.job import ADAPTER, CHECKPOINTS, MODEL, PREPARED, Job
from train.prepared import discard, prepare

ONE_DEVICE = DeepSpeedConfig()


def finetune(
    trajectories: Path,
    student: ModelConfig,
    train: TrainConfig,
    learning_rate: float,
    seed: int,
    folder: Path,
    label: str,
    deepspeed: DeepSpeedConfig = ONE_DEVICE,
) -> dict[str, float]:
    """Fine-tune `student`; killed at any moment, the same call goes on.

    On one CPU thread the result is the same, bit for bit, however often it was interrupted.

    Args:
        trajectories: JSONL file of `Trajectory` records.
        learning_rate: peak, instead of `train.learning_rate` (the dial).
        seed: of the order of the samples.
        folder: receives `model/` (with LoRA also `adapter/`), `curve.jsonl` and, while training,
            `prepared/`, `checkpoints/` and, of several processes, `train.log`.
        label: of the progress bars.
        deepspeed: how the training is divided over devices; more than none are processes of their
            own.

    Returns:
        Counts: those of `train.prepared.Prepared`, `steps`, `trained_tokens` (all epochs),
        `final_loss` (mean over the last epoch), `padding` (share of all positions).

    Raises:
        ConfigError: the batch cannot be divided over the devices; a LoRA target matches nothing.
        DataError: a malformed sample, or none to train on.
        CheckpointError: the student cannot be loaded.
        TrainingError: the loss is not a finite number, or a process died.
        StorageError: the disk refuses.
    """
    source = locate(student.path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        data = prepare(trajectories, student, source, train, folder / PREPARED, label)
        steps = plan(train, len(data), deepspeed.data_parallel)
        job = Job(
            str(source),
            str(folder),
            label,
            train,
            deepspeed,
            student.parameters,
            learning_rate,
            seed,
        )
        _train(job, steps.steps)
        counts = data.counts | _summary(folder, steps.steps_per_epoch)
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
        discard(data)
        return counts
    except OSError as error:
        if isinstance(error, TessyError):
            raise
        raise StorageError(
            f"{folder} cannot be written ({error})",
            "free space there or set outputs_dir elsewhere, and run the same command again",
        ) from error


def _train(job: Job, steps: int) -> None:
    """Unless the results are there already."""
    from train.isolation import isolated

    lora = job.train.lora
    if not job.path(ADAPTER if lora.rank else MODEL).is_dir():
        if job.deepspeed.kind == "none":
            with isolated():
                from train.fit import fit

                fit(job, devices=1, rank=0)
        else:
            from train.launch import launch

            launch(job, steps)
    if lora.rank and lora.merge and not job.path(MODEL).is_dir():
        from train.student import merge_lora

        with isolated():
            bf16 = computes_in_bf16(job.train)
            merge_lora(Path(job.source), job.path(ADAPTER), bf16, job.path(MODEL))


def _summary(folder: Path, steps_per_epoch: int) -> dict[str, float]:
    curve = read_curve(folder / CURVE)
    last = [line["loss"] for line in curve[-steps_per_epoch:]]
    tokens = sum(line["tokens"] for line in curve)
    positions = sum(line["tokens"] / (1 - line["padding"]) for line in curve)
    return {
        "steps": float(len(curve)),
        "trained_tokens": float(tokens),
        "final_loss": sum(last) / len(last),
        "padding": 1 - tokens / positions,
    }
