"""The cooperation that users run, on simulated servers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.synthesis.clock import run_virtually
from benchmarks.synthesis.engine import SimulatedEngine, SimulatedPredictor
from benchmarks.synthesis.journaled import added, write_begun
from benchmarks.synthesis.measure import WHOLE_RUN, Figures, Window, figures
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
    window: Window = WHOLE_RUN  # when it is measured; at its end it is killed


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

        def measure() -> Figures:
            tokens = added(path, offset)
            return figures({w: e.server for w, e in engines.items()}, tokens, predictors.values())

        work = make_samples(cast, METHODS["tessy"], todo, journal, how.in_flight)
        found = await how.window.watch(work, measure)
        if unfinished is not None:
            for engine in engines.values():
                unfinished.update(engine.unfinished())
        return found

    path = folder / "journal.jsonl"
    if not path.exists():
        write_begun(world, path)
    offset = path.stat().st_size
    with Journal(path) as journal:
        return run_virtually(main)
