"""Who takes part in a synthesis: the models, engines and predictors that its method needs."""

from __future__ import annotations

import importlib.metadata
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tessy.boundary.predict import Predictor, open_predictor
from tessy.checkpoints import locate
from tessy.config import (
    EngineConfig,
    MethodConfig,
    ModelConfig,
    PredictorConfig,
    SamplingConfig,
    ServeConfig,
)
from tessy.dialects import Dialect, load_dialect
from tessy.engines import ModelSpec, open_engines, served_elsewhere
from tessy.errors import ConfigError
from tessy.records import Writer
from tessy.synthesis.admission import Admission
from tessy.synthesis.methods import Method
from tessy.synthesis.needs import needs_predictors
from tessy.synthesis.parts import Cast, Role, Sources


@dataclass(frozen=True)
class Setup:
    """How samples are made."""

    method: MethodConfig
    student: ModelConfig
    teacher: ModelConfig
    predictor: PredictorConfig
    engine: EngineConfig  # `batch_size` samples are in flight
    serve: ServeConfig  # where the engine's servers come from
    sampling: SamplingConfig  # `max_tokens` bounds thinking and answer in the student's tokens
    seed: int  # with a sample's key it determines the sample's text

    def model(self, writer: Writer) -> ModelConfig:
        return self.student if writer == "student" else self.teacher


@asynccontextmanager
async def open_cast(
    setup: Setup,
    method: Method,
    n_sessions: int,
    logs: Path,
    sources: Sources | None = None,
) -> AsyncIterator[Cast]:
    """Load what the method needs. The student's tokenizer counts in any case.

    Args:
        n_sessions: samples in flight.
        logs: folder for the logs of servers that are started here.
        sources: samples of the methods that this one goes on from.

    Raises:
        ConfigError: a model that must think does not.
        MissingError, CheckpointError: a model is not there.
        EngineError: a server does not start, or is not the one that is configured.
    """
    dialects = _dialects(setup, method)
    models = {writer: setup.model(writer) for writer in method.writers}
    specs = {w: ModelSpec(m.path, m.context, m.tensor_parallel) for w, m in models.items()}
    in_process = setup.engine.kind == "transformers"
    predictors: dict[Writer, Predictor] = {}
    async with AsyncExitStack() as stack:
        engines = await stack.enter_async_context(
            open_engines(specs, setup.engine, setup.serve, n_sessions, logs)
        )
        for writer in method.writers if needs_predictors(setup.method) else ():
            path = setup.predictor.student if writer == "student" else setup.predictor.teacher
            predictors[writer] = await stack.enter_async_context(
                open_predictor(path, setup.predictor, n_sessions, threaded=not in_process)
            )
        rooms = [engine.kv_tokens for engine in engines.values() if engine.kv_tokens]
        yield Cast(
            method=setup.method,
            sampling=setup.sampling,
            counter=dialects["student"],
            roles={w: Role(w, models[w], dialects[w], engines[w]) for w in method.writers},
            predictors=predictors,
            versions=_versions(),
            seed=setup.seed,
            streams=setup.engine.stream,
            admission=Admission(min(rooms, default=0)),
            sources=sources or {},
        )


def _dialects(setup: Setup, method: Method) -> dict[Writer, Dialect]:
    """The student's dialect, and those of all who write."""
    weights = not served_elsewhere(setup.engine, setup.serve)
    dialects: dict[Writer, Dialect] = {}
    for writer in ("student", *method.writers):
        model = setup.model(writer)
        folder = locate(model.path, weights)
        dialects[writer] = load_dialect(model.dialect, folder, model.template)
        if method.thinking and writer in method.writers and not dialects[writer].thinks:
            raise ConfigError(
                f"method {setup.method.name} needs thinking of the {writer}, but the chat "
                f"template of {model.name} ends its thinking before it begins",
                f"set {writer}.template.enable_thinking=true",
            )
    return dialects


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in ("torch", "transformers")}
