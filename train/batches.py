"""Which samples each device computes together, forward pass by forward pass.

The samples of a step do not depend on the number of devices nor on packing: an epoch is a random
order of all samples, and a step the next `global_batch` of them. The last step of an epoch has
those that are left.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tessy.config import TrainConfig
from train.packing import Row, best_fit, waves


@dataclass
class Batches:
    """A batch sampler of one device: yields the samples of each of its forward passes.

    With packing they are those of one row; a row may be empty where the samples of a step are fewer
    than its rows.
    """

    config: TrainConfig
    lengths: Sequence[int]  # tokens of each sample
    seed: int
    devices: int = 1
    rank: int = 0
    epoch: int = 0
    _passes: tuple[int, int] = field(init=False)  # forward passes of a step, of an epoch's last

    def __post_init__(self) -> None:
        full, left = divmod(len(self.lengths), self.config.global_batch)
        if not self.config.packing:
            at_once = self.config.micro_batch * self.devices
            last = left or min(self.config.global_batch, len(self.lengths))
            self._passes = self.config.global_batch // at_once, math.ceil(last / at_once)
            return
        rows: list[list[int]] = [
            [len(best_fit(self._lengths(step), self.config.max_length)) for step in self.steps(e)]
            for e in range(self.config.epochs)
        ]
        most, last = (
            math.ceil(max(part, default=0) / self.devices)
            for part in ([n for of in rows for n in of[: full or 1]], [of[-1] for of in rows])
        )
        self._passes = most, last if left and full else most

    @property
    def passes(self) -> int:
        """Forward passes of a step, for each device."""
        return self._passes[0]

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self.epoch = epoch

    def steps(self, epoch: int) -> list[list[int]]:
        """The samples of each step of an epoch."""
        import torch

        generator = torch.Generator().manual_seed(self.seed + epoch)
        order: list[int] = torch.randperm(len(self.lengths), generator=generator).tolist()
        size = self.config.global_batch
        return [order[start : start + size] for start in range(0, len(order), size)]

    def __len__(self) -> int:
        """Forward passes of an epoch."""
        steps = math.ceil(len(self.lengths) / self.config.global_batch)
        return (steps - 1) * self._passes[0] + self._passes[1]

    def __iter__(self) -> Iterator[Row]:
        for passes in self.all_devices(self.epoch):
            yield passes[self.rank]

    def all_devices(self, epoch: int) -> Iterator[list[Row]]:
        """For each forward pass, the samples of each device."""
        steps = self.steps(epoch)
        for number, step in enumerate(steps):
            yield from self._divided(step, self._passes[number == len(steps) - 1])

    def _divided(self, step: list[int], passes: int) -> Iterator[list[Row]]:
        if self.config.packing:
            lengths = self._lengths(step)
            for rows in waves(lengths, self.config.max_length, self.devices, passes):
                yield [[step[at] for at in row] for row in rows]
            return
        size = self.config.micro_batch
        rows = [step[n * size : (n + 1) * size] for n in range(passes * self.devices)]
        for start in range(0, len(rows), self.devices):
            yield rows[start : start + self.devices]

    def _lengths(self, step: Sequence[int]) -> list[int]:
        return [self.lengths[sample] for sample in step]
