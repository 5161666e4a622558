"""How much of the positions holds no token, and how long devices wait for each other."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.sft.data import paper_lengths
from tessy.config import TrainConfig
from train.batches import Batches

PAPER = TrainConfig("paper", 1, 128, 5e-5, 40_960, packing=True)
SAMPLES = 80_000


def padding(devices: tuple[int, ...] = (1, 8, 32)) -> dict[str, float]:
    """An epoch of the paper's size: 80,000 samples in steps of 128, rows of 40,960 tokens.

    Returns:
        `padding_share` of the positions of all rows; for each number of devices `idle_share_N`, of
        the positions computed or waited for, when in each forward pass all wait for the longest
        row; and `padding_share_unpacked`, of four samples padded to the longest.
    """
    lengths = paper_lengths(SAMPLES, PAPER.max_length)
    tokens = sum(lengths)
    found: dict[str, float] = {}
    for count in devices:
        computed = waited = 0
        for rows in Batches(PAPER, lengths, seed=0, devices=count).all_devices(0):
            loads = [max(1, sum(lengths[sample] for sample in row)) for row in rows]
            computed += sum(loads)
            waited += count * max(loads)
        found.setdefault("padding_share", 1 - tokens / computed)
        found[f"idle_share_{count}"] = 1 - tokens / waited
    padded = replace(PAPER, packing=False, micro_batch=4)
    positions = sum(
        len(row) * max(lengths[sample] for sample in row)
        for (row,) in Batches(padded, lengths, seed=0).all_devices(0)
    )
    return found | {"padding_share_unpacked": 1 - tokens / positions}
