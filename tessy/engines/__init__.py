"""Who generates tokens. `open_engines` is the one way to get engines."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tessy.checkpoints import locate
from tessy.config import EngineConfig, ServeConfig
from tessy.engines.base import Chunk, Completion, Engine, ModelSpec, Request, complete
from tessy.errors import ConfigError, MissingError, nearest
from tessy.records import Writer

__all__ = ["ENGINES", "Chunk", "Completion", "Engine", "ModelSpec", "Request", "complete"]
__all__ += ["open_engines"]

ENGINES = ("transformers", "vllm")


@asynccontextmanager
async def open_engines(
    models: Mapping[Writer, ModelSpec],
    config: EngineConfig,
    serve: ServeConfig,
    n_sessions: int,
    logs: Path,
) -> AsyncIterator[dict[Writer, Engine]]:
    """An engine for each role, closed on leaving.

    Args:
        models: by role; each is served by what `serve` says of its role.
        config: kind, device, rows in flight, threads.
        serve: where the servers of engine=vllm come from.
        n_sessions: sessions whose prefixes are worth keeping at once.
        logs: folder for the logs of servers that are started here; made when it is needed.

    Raises:
        ConfigError: the kind is unknown.
        MissingError: this machine lacks the model, the device or the engine.
        CheckpointError: the model cannot be read.
    """
    if config.kind not in ENGINES:
        raise ConfigError(f"engine.kind={config.kind!r} is unknown", nearest(config.kind, ENGINES))
    folders = {role: locate(str(model.path)) for role, model in models.items()}
    if config.kind == "vllm":
        raise MissingError("engine.kind=vllm is not in this version", "set engine=transformers")
    from tessy.engines.in_process import InProcessEngine

    async with AsyncExitStack() as stack:
        engines: dict[Writer, Engine] = {}
        for role, model in models.items():
            engine = InProcessEngine(folders[role], config, model.max_context, n_sessions)
            stack.push_async_callback(engine.aclose)
            engines[role] = engine
        yield engines
