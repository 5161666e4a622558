"""A batch is as long as its longest sample needs, and padding is neither seen nor trained."""

from __future__ import annotations

from train.collate import Collator


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


def test_a_batch_that_fits_is_not_padded() -> None:
    rows = [{"input_ids": [1] * 8, "labels": [1] * 8}]
    assert Collator(pad_id=0)(rows)["input_ids"].shape == (1, 8)
