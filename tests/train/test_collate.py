"""A batch is as long as its longest sample needs, and padding is neither seen nor trained."""

from __future__ import annotations

from train.collate import Collator, Packer


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
