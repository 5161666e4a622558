"""Rows hold whole samples and little air, and a packed batch computes what its samples do alone."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tessy.config import ModelConfig, TrainConfig
from tests.train.conftest import trajectory
from tests.train.parts import prepared
from train.batches import Batches
from train.collate import Packer
from train.losses import token_losses
from train.packing import balanced, best_fit, waves
from train.student import load_student

LENGTHS = st.lists(st.integers(1, 100), min_size=1, max_size=60)


@given(LENGTHS)
def test_every_sample_is_in_one_row_whole(lengths: list[int]) -> None:
    rows = best_fit(lengths, 100)
    assert sorted(sample for row in rows for sample in row) == list(range(len(lengths)))
    assert all(sum(lengths[sample] for sample in row) <= 100 for row in rows)
    # Of any two rows one is more than half full, or they would be one.
    assert len(rows) <= 2 * sum(lengths) // 100 + 1


@given(LENGTHS, st.integers(0, 9))
def test_balanced_rows_hold_the_same_and_no_more_than_fits(lengths: list[int], more: int) -> None:
    count = len(best_fit(lengths, 100)) + more
    rows = balanced(lengths, 100, count)
    loads = [sum(lengths[sample] for sample in row) for row in rows]
    assert len(rows) == count and max(loads) <= 100
    assert loads == sorted(loads, reverse=True)
    assert sorted(sample for row in rows for sample in row) == list(range(len(lengths)))


@given(LENGTHS, st.integers(1, 4), st.integers(0, 2))
def test_passes_hold_every_sample_and_wait_no_longer_than_even_rows(
    lengths: list[int], devices: int, more: int
) -> None:
    passes = -(-len(best_fit(lengths, 100)) // devices) + more
    found = waves(lengths, 100, devices, passes)
    assert [len(rows) for rows in found] == [devices] * passes
    loads = [[sum(lengths[s] for s in row) for row in rows] for rows in found]
    assert max(max(of) for of in loads) <= 100
    assert sorted(s for rows in found for row in rows for s in row) == list(range(len(lengths)))
    even = [sum(lengths[s] for s in r) for r in balanced(lengths, 100, devices * passes)]
    assert sum(max(of) for of in loads) <= sum(even[::devices])


def test_rows_are_similar_where_they_can_be() -> None:
    draw = random.Random(0)
    lengths = [draw.randint(2000, 30_000) for _ in range(64)]
    loads = [sum(lengths[s] for s in row) for row in balanced(lengths, 150_000, 8)]
    assert max(loads) - min(loads) < 0.05 * max(loads)


@pytest.mark.parametrize("packing", [False, True])
@pytest.mark.parametrize("devices", [1, 2, 3])
@pytest.mark.parametrize("samples", [1, 5, 22, 36])
def test_each_step_has_its_samples_on_however_many_devices(
    settings: TrainConfig, packing: bool, devices: int, samples: int
) -> None:
    config = replace(
        settings, global_batch=12, micro_batch=1 if packing else 2, packing=packing, max_length=64
    )
    draw = random.Random(samples)
    lengths = [draw.randint(5, 60) for _ in range(samples)]
    alone = Batches(config, lengths, seed=3)
    ranks = [Batches(config, lengths, 3, devices, rank) for rank in range(devices)]
    for epoch in range(config.epochs):
        for one in ranks:
            one.set_epoch(epoch)
        passes = list(zip(*ranks, strict=True))
        assert len(passes) == len(ranks[0])
        steps = alone.steps(epoch)
        assert sorted(s for step in steps for s in step) == list(range(samples))
        for number, step in enumerate(steps):
            start = number * ranks[0].passes
            mine = passes[start : start + ranks[0].passes]
            assert sorted(s for p in mine for row in p for s in row) == sorted(step)
        rows = [row for p in passes for row in p]
        if packing:
            assert all(sum(lengths[s] for s in row) <= 64 for row in rows)
        else:
            assert all(len(row) <= 2 for row in rows)


def test_epochs_and_seeds_differ_in_order(settings: TrainConfig) -> None:
    batches = Batches(settings, [9] * 40, seed=0)
    orders = [batches.steps(0), batches.steps(1), Batches(settings, [9] * 40, seed=7).steps(0)]
    assert len({str(order) for order in orders}) == 3


@pytest.mark.parametrize("chunked", [True, False])
def test_a_packed_batch_has_the_losses_of_its_samples_alone(
    student: ModelConfig, settings: TrainConfig, tmp_path: Path, chunked: bool
) -> None:
    """Neither attention nor positions cross from one sample to the next, whichever comes first."""
    from trl.trainer.utils import add_fused_lm_head

    data = prepared([trajectory(n) for n in range(5)], student, settings, tmp_path)
    model = load_student(Path(student.path), "sdpa")
    add_fused_lm_head(model, outputs=("log_probs",))

    def losses(samples: list[int]) -> torch.Tensor:
        batch = Packer(0)([data[sample].row() for sample in samples])
        assert batch["input_ids"].shape[1] == sum(data.lengths[s] for s in samples)
        del batch["writers"]
        with torch.no_grad():
            return token_losses(model, batch, chunked)[0]

    for order in ([0, 1, 2, 3, 4], [4, 2, 0, 3, 1]):
        together = losses(order)
        start = 0
        for sample in order:
            length = data.lengths[sample]
            alone = losses([sample])
            assert alone.count_nonzero() == (data[sample].writers > 0).sum()
            torch.testing.assert_close(
                together[start : start + length - 1], alone, rtol=1e-5, atol=1e-5
            )
            start += length


def test_a_device_without_a_sample_has_a_loss_of_zero(student: ModelConfig) -> None:
    batch = Packer(7)([])
    del batch["writers"]
    model = load_student(Path(student.path), "sdpa")
    assert token_losses(model, batch, chunked=False).sum() == 0
