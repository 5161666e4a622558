"""A batch is as long as its longest sample needs, and padding is neither seen nor trained."""

from __future__ import annotations

import pytest
import torch

from train.collate import Collator, Packer
from train.sequence import Share


def test_padding_is_masked_and_bears_no_loss() -> None:
    rows = [
        {"input_ids": [5, 6, 7], "labels": [-100, 6, 7]},
        {"input_ids": [5, 6, 7, 8, 9], "labels": [-100, -100, 7, 8, 9]},
    ]
    batch = Collator(pad_id=1, multiple=4)(rows)
    assert set(batch) == {"input_ids", "attention_mask", "labels"}
    assert batch["input_ids"].tolist() == [[5, 6, 7, 1, 1, 1, 1, 1], [5, 6, 7, 8, 9, 1, 1, 1]]
    assert batch["attention_mask"].sum(1).tolist() == [3, 5]
    assert batch["labels"][0].tolist() == [-100, 6, 7, -100, -100, -100, -100, -100]


def test_no_row_is_one_of_padding() -> None:
    batch = Collator(pad_id=3, multiple=4)([])
    assert batch["input_ids"].tolist() == [[3] * 4]
    assert batch["attention_mask"].sum() == batch["writers"].sum() == 0
    assert batch["labels"].tolist() == [[-100] * 4]


def test_packed_samples_have_positions_and_boundaries_of_their_own() -> None:
    rows = [
        {"input_ids": [5, 6, 7], "labels": [-100, 6, 7], "writers": [0, 1, 2]},
        {"input_ids": [8, 9], "labels": [-100, 9], "writers": [0, 1]},
    ]
    batch = Packer(pad_id=1, boundaries=True)(rows)
    assert batch["input_ids"].tolist() == [[5, 6, 7, 8, 9]]
    assert batch["labels"].tolist() == [[-100, 6, 7, -100, 9]]
    assert batch["writers"].tolist() == [[0, 1, 2, 0, 1]]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 0, 1]]
    assert batch["cu_seq_lens_q"].tolist() == batch["cu_seq_lens_k"].tolist() == [0, 3, 5]
    assert batch["max_length_q"] == 3
    assert "attention_mask" not in batch


def test_a_batch_that_fits_is_not_padded() -> None:
    rows = [{"input_ids": [1] * 8, "labels": [1] * 8}]
    assert Collator(pad_id=0)(rows)["input_ids"].shape == (1, 8)


@pytest.mark.parametrize("devices", [2, 3])
@pytest.mark.parametrize("packed", [True, False])
def test_devices_that_share_rows_have_each_position_once(packed: bool, devices: int) -> None:
    """With the label and the writer of the next one, which may be another device's."""
    rows = [
        {"input_ids": [5, 6, 7], "labels": [-100, 6, 7], "writers": [0, 1, 2]},
        {"input_ids": [8, 9], "labels": [-100, 9], "writers": [0, 1]},
    ]
    collate = Packer(1, True, devices) if packed else Collator(1, devices, least=3)
    parts = [Share(collate, devices, part)(rows) for part in range(devices)]
    whole = collate(rows)
    assert [part["lengths"] for part in parts] == [[3, 2], *[[]] * (devices - 1)]
    names = ("input_ids", "labels", "position_ids", "shift_labels", "writers")
    joined = {name: torch.cat([part[name] for part in parts], 1) for name in names}
    assert {part["input_ids"].shape for part in parts} == {parts[0]["input_ids"].shape}
    assert joined["input_ids"].tolist() == whole["input_ids"].tolist()
    assert joined["shift_labels"][:, :-1].tolist() == whole["labels"][:, 1:].tolist()
    assert joined["writers"][:, :-1].tolist() == whole["writers"][:, 1:].tolist()
    assert not any("attention_mask" in part for part in parts)
    if packed:
        assert joined["position_ids"].tolist() == [[0, 1, 2, 0, 1, 0]]
        ends = [part["cu_seq_lens_q"].tolist() for part in parts]
        assert ends == [[0, 3, 5, 6]] * devices, "of the whole row"
    else:
        length = whole["input_ids"].shape[1]
        assert joined["position_ids"].tolist() == [list(range(length))] * 3


def test_no_sample_for_devices_that_share_rows_is_one_of_padding() -> None:
    parts = [Share(Packer(1, multiple=2), 2, part)([]) for part in range(2)]
    assert [part["input_ids"].tolist() for part in parts] == [[[1]], [[1]]]
    assert [part["position_ids"].tolist() for part in parts] == [[[0]], [[1]]]
    assert all((part["shift_labels"] == -100).all() for part in parts)
