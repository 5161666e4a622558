"""What the trainer costs over a bare PyTorch loop on the same batches, on the CPU."""

from __future__ import annotations

import shutil
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from transformers import TrainerCallback

from benchmarks.sft.data import random_samples
from tessy.checkpoints import locate
from tessy.config import DeepSpeedConfig, TrainConfig
from train.batches import Batches
from train.collate import Collator
from train.examples import IGNORED
from train.fit import prepare_trainer
from train.isolation import isolated
from train.job import PREPARED, Job
from train.prepared import Prepared
from train.student import load_student

STUDENT = "mini:student"
CONFIG = TrainConfig(
    "bench",
    epochs=1,
    global_batch=16,
    learning_rate=1e-3,
    max_length=1024,
    precision="fp32",
    micro_batch=16,
)
TOKENS = 160  # of a sample, on average
WARM_UP = 5  # steps that are not counted
ROUNDS = 3  # each loop runs so often, in turns


class Clock(TrainerCallback):
    """When each step ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.ends.append(time.perf_counter())


def overhead(steps: int, folder: Path) -> dict[str, float]:
    """Median seconds of a step of the trainer and of the bare loop, and their ratio less one.

    The median, since the machine may be disturbed; checkpoints, one an epoch, are not in it.
    """
    draw = np.random.default_rng(1)
    lengths = [int(n) for n in draw.integers(TOKENS // 2, TOKENS * 3 // 2, steps * 16)]
    random_samples(lengths, 700, folder / PREPARED)
    ours: list[float] = []
    bare: list[float] = []
    chunked: list[float] = []
    for _ in range(ROUNDS):
        with isolated():
            torch.set_num_threads(1)
            ours += _trainer(folder, CONFIG)
            memory = replace(CONFIG.memory, cross_entropy="chunked")
            chunked += _trainer(folder, replace(CONFIG, memory=memory))
            bare += _bare(Prepared(folder / PREPARED))
    shutil.rmtree(folder / PREPARED)
    a_step = statistics.median(bare)
    return {
        "cpu_overhead_ratio": statistics.median(ours) / a_step - 1,
        "cpu_overhead_ratio_chunked_logits": statistics.median(chunked) / a_step - 1,
        "cpu_bare_step_s": a_step,
        "cpu_step_s": statistics.median(ours),
    }


def _trainer(folder: Path, config: TrainConfig) -> list[float]:
    job = Job(
        str(locate(STUDENT)), str(folder), "trainer", config, DeepSpeedConfig(), 0.88e6, 1e-3, 0
    )
    trainer, _ = prepare_trainer(job, devices=1, rank=0)
    clock = Clock()
    trainer.add_callback(clock)
    trainer.train()
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    (folder / "curve.jsonl").unlink()
    return _steps(clock.ends)


def _bare(prepared: Prepared) -> list[float]:
    """Load, forward, cross entropy, backward, clip, AdamW, schedule; the loss is read each step."""
    model = load_student(locate(STUDENT), "sdpa")
    model.train()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=CONFIG.learning_rate, weight_decay=0.0, fused=True
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 1000)
    collate = Collator(0)
    ends = []
    for samples in Batches(CONFIG, prepared.lengths, 0):
        batch = collate([prepared[sample].row() for sample in samples])
        logits = model(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False
        ).logits[:, :-1]
        loss = functional.cross_entropy(
            logits.float().flatten(0, 1), batch["labels"][:, 1:].flatten(), ignore_index=IGNORED
        )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CONFIG.max_grad_norm)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        loss.item()
        ends.append(time.perf_counter())
    return _steps(ends)


def _steps(ends: list[float]) -> list[float]:
    return [b - a for a, b in zip(ends[WARM_UP:], ends[WARM_UP + 1 :], strict=False)]
