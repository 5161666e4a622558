"""The cooperation that users run, on simulated servers."""

from __future__ import annotations

import asyncio
from pathlib import Path

from benchmarks.synthesis.clock import run_virtually
from benchmarks.synthesis.engine import SimulatedEngine, SimulatedPredictor
from benchmarks.synthesis.measure import Figures, figures
from benchmarks.synthesis.times import ServerModel
from benchmarks.synthesis.world import CONTEXT, World
from tessy.config import MethodConfig, SamplingConfig
from tessy.records import Writer
from tessy.synthesis.journal import Journal
from tessy.synthesis.methods import METHODS
from tessy.synthesis.parts import Cast, Role, Task


def cooperate(
    world: World,
    models: dict[Writer, ServerModel],
    folder: Path,
    in_flight: int,
    until: float | None = None,
) -> tuple[Figures, Journal]:
    """Synthesize all samples of the world by TESSY.

    Args:
        world: the samples.
        models: both servers.
        folder: receives the journal; what it holds is gone on with.
        in_flight: samples at once.
        until: virtual seconds after which the run is killed; None lets it end.
    """

    async def main() -> Figures:
        engines = {w: SimulatedEngine(world, w, m) for w, m in models.items()}
        predictors = {w: SimulatedPredictor() for w in models}
        cast = Cast(
            MethodConfig("TESSY", "tessy", CONTEXT),
            SamplingConfig(max_tokens=CONTEXT),
            world.dialects["student"],
            {w: Role(w, world.models[w], world.dialects[w], e) for w, e in engines.items()},
            predictors,  # type: ignore[arg-type]
            0,
            {},
        )
        todo = [s.task for s in world.samples if s.task.key not in journal.trajectories]
        waiting = iter(todo)

        async def work() -> None:
            for task in waiting:
                await METHODS["tessy"].make(cast, task, journal)

        done = asyncio.gather(*(work() for _ in range(min(in_flight, len(todo)))))
        await asyncio.wait([done], timeout=until)
        if done.done():
            done.result()
        kept = sum(sum(s.n_tokens for s in d.spans) for d in journal.trajectories.values())
        wanted = sum(journal.counts[f"{w}_kept_own"] for w in models)
        received = sum(journal.counts[f"{w}_generated"] for w in models)
        servers = {w: e.server for w, e in engines.items()}
        return figures(servers, kept, wanted, received, list(predictors.values()))

    with Journal(folder / "journal.jsonl") as journal:
        return run_virtually(main), journal
