"""What each process of a training does: load, train or go on, write the model."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, PrinterCallback
from trl.trainer.sft_config import SFTConfig

from tessy.config import TrainConfig
from tessy.progress import say
from train.arguments import (
    chunks,
    computes_in_bf16,
    one_gpu,
    plan,
    sft_arguments,
    threads,
    trainer_arguments,
)
from train.batches import Batches
from train.callbacks import Curve, Progress, Schedule, rewind
from train.checkpoints import copy_tokenizer, newest_checkpoint, publish, storage
from train.collate import Collator, Packer
from train.curve import CURVE
from train.encode import named
from train.epochs import KeepEpochs
from train.flops import peak_rate
from train.job import ADAPTER, CHECKPOINTS, MODEL, PREPARED, Job
from train.prepared import Prepared
from train.sequence import Share, share_attention
from train.student import add_lora, attention, load_student
from train.trainer import Trainer
from train.zero import EngineCheck, zero_config

NAMED = 8  # samples of a step, in an error


def fit(job: Job, devices: int, rank: int) -> None:
    """Train `job` in this process, one of `devices`; goes on from the newest whole checkpoint.

    Raises:
        CheckpointError: the student cannot be loaded.
        ConfigError: a LoRA target matches nothing.
        MissingError: the attention kernel is not installed.
        TrainingError: the loss is no finite number, or DeepSpeed is not at work.
        StorageError: the disk refuses.
    """
    trainer, progress = prepare_trainer(job, devices, rank)
    if job.train.keep_epochs and not job.train.lora.rank:

        def keep(target: Path) -> None:
            with storage("the model of an epoch", Path(job.folder)):
                _publish_whole(trainer, job, target, copy.deepcopy)

        trainer.add_callback(KeepEpochs(Path(job.folder), job.train.epochs, keep))
    resumed = newest_checkpoint(job.path(CHECKPOINTS))
    if rank == 0:
        rewind(job.path(CURVE), int(resumed.name.split("-")[1]) if resumed else 0)
    try:
        trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
    finally:
        progress.close()
    with storage("the model", Path(job.folder)):
        _publish(trainer, job)


def prepare_trainer(job: Job, devices: int, rank: int) -> tuple[Trainer, Progress]:
    """The trainer of `job`, ready to begin, and its bar; raises as `fit` does."""
    count = threads(job.parameters)
    if count is not None and not torch.cuda.is_available():
        torch.set_num_threads(count)
    prepared = Prepared(job.path(PREPARED))
    # Devices that share their rows take the same ones.
    shared = job.deepspeed.sequence_parallel
    batches = Batches(job.train, prepared.lengths, job.seed, devices // shared, rank // shared)
    steps = plan(job.train, len(prepared), devices // shared, batches.passes)
    # Before the model: ZeRO-3 divides the weights while they are loaded.
    arguments = SFTConfig(
        **trainer_arguments(job.train, steps, job.learning_rate, job.seed, job.path(CHECKPOINTS)),
        **sft_arguments(job.train, job.parameters, zero_config(job.deepspeed)),
    )
    one_gpu(arguments)
    progress = Progress(job.label, steps.steps)
    callbacks = [Schedule(steps.save_at), progress]
    return _trainer(job, prepared, batches, arguments, callbacks, rank), progress


def _trainer(
    job: Job,
    prepared: Prepared,
    batches: Batches,
    arguments: SFTConfig,
    callbacks: list[Any],
    rank: int,
) -> Trainer:
    source, config, shared = Path(job.source), job.train, job.deepspeed.sequence_parallel
    kernel = attention(config, shared)
    if rank == 0:
        say(f"{job.label}: attention by {kernel}")
    model = load_student(source, kernel, bool(config.lora.rank) and computes_in_bf16(config))
    if config.lora.rank:
        model = add_lora(model, config.lora, job.seed)
    if shared > 1:
        share_attention(model, kernel, shared, config.micro_batch, config.packing)
    tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=True)
    pad = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    rate = peak_rate()
    curve = Curve(
        job.path(CURVE),
        "train",
        lambda step: _samples(prepared, batches, step),
        rate * batches.devices * shared if rate else None,
    )
    check = [EngineCheck(job.deepspeed.kind)] if job.deepspeed.kind != "none" else []
    trainer = Trainer(
        prepared,
        batches,
        _collator(config, pad, kernel, shared, rank % shared),
        config.loss,
        chunks(config, model.config.vocab_size),
        model=model,
        args=arguments,
        processing_class=tokenizer,
        callbacks=[*callbacks, curve, *check],
    )
    trainer.remove_callback(PrinterCallback)
    for callback in check:
        callback.trainer = trainer
    return trainer


def _collator(config: TrainConfig, pad: int, kernel: str, shared: int, part: int) -> Any:
    if shared == 1:
        return Packer(pad, "flash" in kernel) if config.packing else Collator(pad)
    if config.packing:
        return Share(Packer(pad, "flash" in kernel, shared), shared, part)
    return Share(Collator(pad, math.lcm(8, shared), config.micro_batch), shared, part)


def _samples(prepared: Prepared, batches: Batches, step: int) -> str:
    """Those of a step, in words."""
    an_epoch = batches.steps(0)
    epoch, number = divmod(step, len(an_epoch))
    keys = [prepared.keys[sample] for sample in batches.steps(epoch)[number]]
    more = f" and {len(keys) - NAMED} more" if len(keys) > NAMED else ""
    return f" on {', '.join(named(key) for key in keys[:NAMED])}{more}"


def _gathered(trainer: Trainer, job: Job) -> tuple[Any, dict[str, Any] | None]:
    """The model, and its weights where it does not hold them itself."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    if job.deepspeed.kind == "none":
        return model, None
    return model, trainer.accelerator.get_state_dict(trainer.model_wrapped)


def _publish_whole(
    trainer: Trainer, job: Job, target: Path, copied: Callable[[Any], Any] = lambda model: model
) -> None:
    """Write all weights; a training that goes on has a copy written, for writing changes them."""
    model, weights = _gathered(trainer, job)
    if trainer.is_world_process_zero():
        whole = copied(model) if weights is None else model
        publish(whole, Path(job.source), target, computes_in_bf16(job.train), weights)


def _publish(trainer: Trainer, job: Job) -> None:
    """Write what was trained; every process must take part in gathering it."""
    if not job.train.lora.rank:
        _publish_whole(trainer, job, job.path(MODEL))
        return
    model, weights = _gathered(trainer, job)
    if not trainer.is_world_process_zero():
        return
    source = Path(job.source)
    partial = job.path(f"{ADAPTER}.partial")
    model.save_pretrained(partial, state_dict=weights)
    settings = json.loads((partial / "adapter_config.json").read_text(encoding="utf-8"))
    settings["base_model_name_or_path"] = job.source
    (partial / "adapter_config.json").write_text(json.dumps(settings, indent=2), encoding="utf-8")
    copy_tokenizer(source, partial)
    partial.rename(job.path(ADAPTER))
