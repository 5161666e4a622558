"""The cooperation that users run, on simulated servers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.synthesis.clock import run_virtually
from benchmarks.synthesis.engine import SimulatedEngine, SimulatedPredictor
from benchmarks.synthesis.measure import Figures, figures
from benchmarks.synthesis.times import PREDICTOR_MS, ServerModel
from benchmarks.synthesis.world import CONTEXT, World
from tessy.config import MethodConfig, SamplingConfig
from tessy.engines import Engine
from tessy.records import Writer
from tessy.synthesis.admission import Admission
from tessy.synthesis.journal import Journal
from tessy.synthesis.methods import METHODS
from tessy.synthesis.parts import Cast, Role
from tessy.synthesis.run import make_samples


@dataclass(frozen=True)
class Orchestration:
    """How our code is run."""

    in_flight: int
    streams: bool = True  # False: drafts of `span_tokens`
    span_tokens: int = 20
    admission: bool = True  # by live keys and values
    predictor_ms: float = PREDICTOR_MS
    label_shift: int = 1  # 0: predictors that judge whole words, as predictor=paper trains them
    until: float | None = None  # virtual seconds after which it is killed


def make_cast(
    world: World,
    engines: Mapping[Writer, Engine],
    predictors: Mapping[Writer, SimulatedPredictor],
    how: Orchestration,
) -> Cast:
    room = min(engine.kv_tokens for engine in engines.values()) if how.admission else 0
    return Cast(
        method=MethodConfig("TESSY", "tessy", how.span_tokens),
        sampling=SamplingConfig(max_tokens=CONTEXT),
        counter=world.dialects["student"],
        roles={w: Role(w, world.models[w], world.dialects[w], e) for w, e in engines.items()},
        predictors=predictors,
        seed=0,
        versions={},
        streams=how.streams,
        admission=Admission(room),
    )


def cooperate(
    world: World,
    models: Mapping[Writer, ServerModel],
    folder: Path,
    how: Orchestration,
    unfinished: dict[str, int] | None = None,
) -> Figures:
    """Synthesize all samples of the world by TESSY, those that the journal in `folder` lacks.

    Args:
        world: the samples.
        models: both servers.
        folder: receives the journal.
        how: how our code is run.
        unfinished: receives, by session, the tokens that a kill at the end of it loses.
    """

    async def main() -> Figures:
        engines = {w: SimulatedEngine(world, w, m) for w, m in models.items()}
        predictors = {w: SimulatedPredictor(how.predictor_ms, how.label_shift) for w in models}
        cast = make_cast(world, engines, predictors, how)
        todo = [s.task for s in world.samples if s.task.key not in journal.finished]
        work = asyncio.create_task(
            make_samples(cast, METHODS["tessy"], todo, journal, how.in_flight)
        )
        await asyncio.wait([work], timeout=how.until)
        if work.done():
            work.result()
        counts = journal.counts
        if unfinished is not None:
            for engine in engines.values():
                unfinished.update(engine.unfinished())
        return figures(
            {w: e.server for w, e in engines.items()},
            kept=sum(s.tokens for s in world.samples if s.task.key in journal.finished),
            wanted=sum(counts[f"{w}_kept_own"] for w in models),
            received=sum(counts[f"{w}_generated"] for w in models),
            predictors=list(predictors.values()),
        )

    with Journal(folder / "journal.jsonl") as journal:
        return run_virtually(main)
