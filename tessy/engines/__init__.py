"""Who generates tokens. `open_engine` is the one way to get an engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tessy.checkpoints import locate
from tessy.config import EngineConfig
from tessy.engines.base import Chunk, Completion, Engine, Request, complete
from tessy.errors import ConfigError, MissingError, nearest

__all__ = ["ENGINES", "Chunk", "Completion", "Engine", "Request", "complete", "open_engine"]


def _in_process(folder: Path, config: EngineConfig, max_context: int, n_sessions: int) -> Engine:
    from tessy.engines.in_process import InProcessEngine

    return InProcessEngine(folder, config, max_context, n_sessions)


def _vllm(folder: Path, config: EngineConfig, max_context: int, n_sessions: int) -> Engine:
    raise MissingError("engine.kind=vllm is not in this version", "set engine=transformers")


ENGINES: dict[str, Callable[[Path, EngineConfig, int, int], Engine]] = {
    "transformers": _in_process,
    "vllm": _vllm,
}


@asynccontextmanager
async def open_engine(
    model_path: str | Path, config: EngineConfig, max_context: int, n_sessions: int
) -> AsyncIterator[Engine]:
    """An engine for one model, closed on leaving.

    Args:
        model_path: as in `ModelConfig.path`, or a folder.
        config: kind, device, rows in flight, threads.
        max_context: longest sequence in tokens that will be asked for.
        n_sessions: sessions whose prefixes are worth keeping at once.

    Raises:
        ConfigError: the kind is unknown.
        MissingError: this machine lacks the model, the device or the engine.
        CheckpointError: the model cannot be read.
    """
    if config.kind not in ENGINES:
        raise ConfigError(f"engine.kind={config.kind!r} is unknown", nearest(config.kind, ENGINES))
    engine = ENGINES[config.kind](locate(str(model_path)), config, max_context, n_sessions)
    try:
        yield engine
    finally:
        await engine.aclose()
