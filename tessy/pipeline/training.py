"""What `stage=plan` says of one training: whether it fits, and how long it takes."""

from __future__ import annotations

import math
from collections.abc import Iterator

from tessy.config import Experiment
from tessy.pipeline.estimate import sft_hours, sft_tokens
from train.memory import USABLE, fit_of, shape_of


def training_lines(e: Experiment) -> Iterator[str]:
    """Steps, tokens and hours, and the memory of each GPU by what takes it."""
    steps = math.ceil(e.questions.samples / e.train.global_batch) * e.train.epochs
    hours, shared = sft_hours(e), e.deepspeed.sequence_parallel
    cost = f", {hours:,.0f} GPU hours, {hours / e.deepspeed.devices:,.1f} by the clock"
    yield (
        f"\nEach training of {e.student.name} (train={e.train.name}): {steps:,} steps of "
        f"{e.train.global_batch} samples, {sft_tokens(e):,.0f} tokens{cost if hours else ''}, on "
        f"{e.deepspeed.devices} devices (deepspeed={e.deepspeed.kind}"
        f"{f', {shared} to a row' if shared > 1 else ''})"
    )
    shape = shape_of(e.student)
    if shape is None:
        yield f"  its memory is unknown: {e.student.path} is not on this machine"
        return
    fit = fit_of(e.student.parameters, shape, e.train, e.deepspeed)
    gpu = e.deepspeed.gpu_memory_gb * 1e9
    parts = (
        ("weights", fit.weights),
        ("gradients", fit.gradients),
        ("optimizer", fit.optimizer),
        ("activations", fit.activations),
        ("reserved", fit.reserved),
    )
    listing = ", ".join(f"{name} {amount / 1e9:.1f}" for name, amount in parts)
    verdict = "fits" if fit.fits(gpu) else "DOES NOT FIT"
    yield (
        f"  GB of each GPU, with {e.train.max_length:,} tokens in a row: {listing}; "
        f"in all {fit.total / 1e9:.1f}: {verdict} in {USABLE:.0%} of {gpu / 1e9:g}"
    )
    if not fit.fits(gpu):
        yield (
            "  less is needed with deepspeed=zero3 on more devices, deepspeed=zero3_offload, "
            "train=lora, train.memory.activation_offloading=true, deepspeed.sequence_parallel or a "
            "lower train.max_length"
        )
