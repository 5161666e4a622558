"""Batches divide over devices, steps are those that the trainer takes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tessy.config import TrainConfig
from tessy.errors import ConfigError
from train.arguments import chunks, plan


def test_the_global_batch_is_micro_batch_times_accumulation_times_devices(
    settings: TrainConfig,
) -> None:
    config = replace(settings, global_batch=128, micro_batch=2)
    assert plan(config, 1000, devices=1).accumulation == 64
    assert plan(config, 1000, devices=8).accumulation == 8
    assert plan(config, 1000, devices=8).steps_per_epoch == 8  # 7 full, one of 104


@pytest.mark.parametrize(("micro", "devices"), [(3, 1), (2, 3), (8, 1)])
def test_a_batch_that_does_not_divide_is_refused(
    settings: TrainConfig, micro: int, devices: int
) -> None:
    with pytest.raises(ConfigError, match="global_batch=4 is not a multiple of"):
        plan(replace(settings, micro_batch=micro), 100, devices)


def test_checkpoints_are_spread_over_each_epoch_and_end_it(settings: TrainConfig) -> None:
    saved = plan(replace(settings, checkpoints_per_epoch=3), 7 * 4, 1).save_at
    assert saved == {3, 5, 7, 10, 12, 14}


def test_more_checkpoints_than_steps_are_one_a_step(settings: TrainConfig) -> None:
    assert plan(replace(settings, checkpoints_per_epoch=9), 5, 1).save_at == {1, 2, 3, 4}


def test_only_large_logits_are_taken_in_parts(settings: TrainConfig) -> None:
    """Of a forward pass: the miniature's 16 x 1024 x 704 are small, 1 x 40960 x 151936 are not."""
    small = replace(settings, micro_batch=16, max_length=1024)
    assert not chunks(small, vocabulary=704)
    assert chunks(small, vocabulary=151_936)
    assert chunks(replace(small, micro_batch=1600), vocabulary=704)
    assert not chunks(replace(small, micro_batch=1600, packing=True), vocabulary=704)
    for wanted in ("chunked", "whole"):
        stated = replace(small, memory=replace(small.memory, cross_entropy=wanted))
        assert chunks(stated, vocabulary=704) == (wanted == "chunked")
