"""What a kill costs: tokens that were generated and would have been kept, but are in no journal."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from benchmarks.synthesis.measure import Window
from benchmarks.synthesis.ours import Orchestration, cooperate
from benchmarks.synthesis.times import ServerModel
from benchmarks.synthesis.world import World
from tessy.records import Writer
from tessy.synthesis.journal import Journal


@dataclass(frozen=True)
class Loss:
    """Of one kill, in tokens that have to be generated again."""

    total: int  # over all samples in flight
    most: int  # of one sample
    in_flight: int  # samples that lost something
    same: bool  # whether the finished texts are those of the scripts, which no kill may change


def kill(
    world: World,
    models: dict[Writer, ServerModel],
    folder: Path,
    how: Orchestration,
    seconds: float,
) -> Loss:
    """Kill a run after so many virtual seconds, and let another one go on to the end."""
    lost: dict[str, int] = {}
    cooperate(world, models, folder, dataclasses.replace(how, window=Window(until=seconds)), lost)
    cooperate(world, models, folder, how)
    with Journal(folder / "journal.jsonl") as journal:
        texts = {s: journal.trajectory(s.task.key).text() for s in world.samples}
    return Loss(
        sum(lost.values()),
        max(lost.values(), default=0),
        sum(n > 0 for n in lost.values()),
        all(text == world.text(sample) for sample, text in texts.items()),
    )
