"""Train a boundary predictor: a base model and labelled segments become a token classifier."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tessy.boundary.examples import IGNORED, Example, example
from tessy.boundary.metrics import Judged, judged, measure
from tessy.boundary.segments import LabelledSegment
from tessy.checkpoints import locate
from tessy.config import PredictorConfig, TrainConfig
from tessy.errors import CheckpointError, DataError, StorageError, TessyError
from train.arguments import (
    Plan,
    computes_in_bf16,
    one_gpu,
    plan,
    threads,
    trainer_arguments,
)
from train.curve import read_curve

if TYPE_CHECKING:
    from transformers import TrainingArguments

LABELS = {0: "capability", 1: "style"}
_MEASURED_AT_ONCE = 64  # segments


def fit(
    segments: Iterable[LabelledSegment],
    config: PredictorConfig,
    seed: int,
    target: Path,
    curve: Path,
    label: str,
) -> dict[str, float]:
    """Train one predictor and measure it; killed at any moment, the same call goes on.

    On one CPU thread the result is the same, bit for bit, however often it was interrupted.

    Args:
        segments: of both splits.
        config: base, epochs, batch, learning rate, label shift.
        seed: of the new head, the order of the segments and dropout.
        target: folder that receives the model; checkpoints lie beside it while it is trained.
        curve: file that receives a line each optimizer step.
        label: of the progress bar.

    Returns:
        The measures of `tessy.boundary.metrics.measure` on the validation split, each with
        "validation_" before its name, and counts: trained_segments, trained_tokens (all epochs),
        dropped_long, steps, final_loss.

    Raises:
        DataError: the segments of a split are all longer than `max_length`.
        CheckpointError: the base cannot be loaded.
        TrainingError: the loss is not a finite number.
        StorageError: the disk refuses.
    """
    base = locate(config.base)
    train, validation, dropped = _examples(segments, _tokenizer(base), config)
    settings = _settings(config)
    steps = plan(settings, len(train), devices=1)
    checkpoints = target.with_name(f"{target.name}.checkpoints")
    try:
        from train.isolation import isolated

        with isolated():
            if not target.is_dir():
                _train(base, train, settings, steps, seed, checkpoints, target, curve, label)
            measured = measure(_judged(target, validation, config.label_shift))
        shutil.rmtree(checkpoints, ignore_errors=True)
    except OSError as error:
        if isinstance(error, TessyError):
            raise
        raise StorageError(
            f"{target} cannot be written ({error})",
            "free space there or set outputs_dir elsewhere, and run the same command again",
        ) from error
    points = read_curve(curve)
    last = [point["loss"] for point in points[-steps.steps_per_epoch :]]
    return {f"validation_{name}": value for name, value in measured.items()} | {
        "trained_segments": len(train),
        "trained_tokens": sum(point["tokens"] for point in points),
        "dropped_long": dropped,
        "steps": len(points),
        "final_loss": sum(last) / len(last),
    }


def _settings(config: PredictorConfig) -> TrainConfig:
    """The options as those of any training; the schedule is that of the released predictors."""
    return TrainConfig(
        name=config.name,
        epochs=config.epochs,
        global_batch=config.batch,
        micro_batch=config.micro_batch,
        learning_rate=config.learning_rate,
        max_length=config.max_length,
        warmup_ratio=0.0,
        schedule="linear",
        checkpoints_per_epoch=4,
    )


def _examples(
    segments: Iterable[LabelledSegment], tokenizer: Any, config: PredictorConfig
) -> tuple[list[Example], list[Example], int]:
    """Examples of the training and the validation split, and how many were too long."""
    found: dict[str, list[Example]] = {"train": [], "validation": []}
    dropped = 0
    for segment in segments:
        made = example(segment.text, segment.labels, tokenizer, config.label_shift)
        if len(made.ids) > config.max_length:
            dropped += 1
        else:
            found[segment.split].append(made)
    for split, examples in found.items():
        if not examples:
            raise DataError(
                f"no segment is left for {split}: {dropped} are longer than "
                f"predictor.max_length={config.max_length} tokens",
                "raise predictor.max_length or lower predictor.segment_words",
            )
    return found["train"], found["validation"], dropped


def _tokenizer(base: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(base, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"the tokenizer in {base} cannot be read ({error})", "copy the tokenizer files there"
        ) from error


def _train(
    base: Path,
    examples: Sequence[Example],
    settings: TrainConfig,
    steps: Plan,
    seed: int,
    checkpoints: Path,
    target: Path,
    curve: Path,
    label: str,
) -> None:
    import torch
    from transformers import PrinterCallback

    from train.callbacks import Curve, Progress, Schedule, rewind
    from train.checkpoints import newest_checkpoint, publish, storage
    from train.classifier import Classifier, token_loss
    from train.collate import Collator

    torch.manual_seed(seed)  # the head is drawn while the base is loaded
    model = _load(base)
    count = threads(model.num_parameters())
    if count is not None and not torch.cuda.is_available():
        torch.set_num_threads(count)
    resumed = newest_checkpoint(checkpoints)
    rewind(curve, int(resumed.name.split("-")[1]) if resumed else 0)
    progress = Progress(label, steps.steps)
    trainer = Classifier(
        model=model,
        args=_arguments(settings, steps, seed, checkpoints),
        data_collator=Collator(_pad_id(base)),
        train_dataset=[{"input_ids": e.ids, "labels": e.labels} for e in examples],
        compute_loss_func=token_loss,
        callbacks=[Schedule(steps.save_at), Curve(curve, "predictor"), progress],
    )
    trainer.remove_callback(PrinterCallback)
    try:
        trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
    finally:
        progress.close()
    with storage("the predictor", target.parent):
        publish(model, base, target, computes_in_bf16(settings), model.state_dict())


def _load(folder: Path) -> Any:
    """A token classifier with fp32 weights; of a base model the head is new."""
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForTokenClassification

    try:
        return AutoModelForTokenClassification.from_pretrained(
            folder,
            dtype=torch.float32,
            local_files_only=True,
            num_labels=len(LABELS),
            id2label=LABELS,
            label2id={name: n for n, name in LABELS.items()},
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(
            f"the model in {folder} cannot be loaded as a token classifier ({error})",
            "set predictor.base to a model of a family that transformers has one for",
        ) from error


def _pad_id(folder: Path) -> int:
    tokenizer = _tokenizer(folder)
    pad = tokenizer.pad_token_id
    return int(tokenizer.eos_token_id or 0) if pad is None else int(pad)  # masked, whatever it is


def _arguments(
    settings: TrainConfig, steps: Plan, seed: int, checkpoints: Path
) -> TrainingArguments:
    from transformers import TrainingArguments

    given = trainer_arguments(settings, steps, settings.learning_rate, seed, checkpoints)
    arguments = TrainingArguments(**given)
    one_gpu(arguments)
    return arguments


def _judged(folder: Path, examples: Sequence[Example], shift: int) -> list[Judged]:
    """What a trained predictor says of segments, in their order."""
    import torch

    from train.collate import Collator

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = _load(folder).to(device).eval()
    collate = Collator(_pad_id(folder))
    order = sorted(range(len(examples)), key=lambda n: len(examples[n].ids))  # little padding
    found: dict[int, Judged] = {}
    for start in range(0, len(order), _MEASURED_AT_ONCE):
        these = order[start : start + _MEASURED_AT_ONCE]
        batch = collate([{"input_ids": examples[n].ids, "labels": [IGNORED]} for n in these])
        with torch.inference_mode():
            logits = model(
                input_ids=batch["input_ids"].to(device),
                attention_mask=batch["attention_mask"].to(device),
            ).logits.float()
        odds = (logits[..., 1] - logits[..., 0]).tolist()
        for n, row in zip(these, odds, strict=True):
            found[n] = judged(examples[n], row[: len(examples[n].ids)], shift)
    return [found[n] for n in range(len(examples))]
