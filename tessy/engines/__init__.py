"""Who generates tokens. `open_engines` is the one way to get engines."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tessy.checkpoints import locate
from tessy.config import EngineConfig, ServeConfig
from tessy.engines.base import Chunk, Completion, Engine, ModelSpec, Prompt, Request, complete
from tessy.errors import ConfigError, nearest
from tessy.records import Writer

__all__ = ["ENGINES", "Chunk", "Completion", "Engine", "ModelSpec", "Prompt", "Request"]
__all__ += ["complete", "open_engines", "served_elsewhere"]

ENGINES = ("transformers", "vllm")


def served_elsewhere(config: EngineConfig, serve: ServeConfig) -> bool:
    """Whether servers that run already generate, so that no weights are needed here."""
    return config.kind == "vllm" and serve.kind == "external"


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
        EngineError: a server is not what it must be (`EngineDown`: it does not answer).
    """
    if config.kind not in ENGINES:
        raise ConfigError(f"engine.kind={config.kind!r} is unknown", nearest(config.kind, ENGINES))
    weights = not served_elsewhere(config, serve)
    folders = {role: locate(str(model.path), weights) for role, model in models.items()}
    async with AsyncExitStack() as stack:
        engines: dict[Writer, Engine] = {}
        if config.kind == "vllm" and models:
            from tessy.engines.serving import Servers, local_servers
            from tessy.engines.vllm import connect

            if serve.kind == "local":
                servers = await stack.enter_async_context(
                    local_servers(models, folders, serve, logs)
                )
            else:
                servers = Servers(_urls(models, serve))
            for role, model in models.items():
                engines[role] = await connect(
                    role,
                    str(model.path),
                    folders[role],
                    model.max_context,
                    servers.urls[role],
                    serve,
                )
                servers.counts[role] = engines[role].counts
                stack.push_async_callback(engines[role].aclose)
        else:
            from tessy.engines.in_process import InProcessEngine

            for role, model in models.items():
                engines[role] = InProcessEngine(
                    folders[role], config, model.max_context, n_sessions
                )
                stack.push_async_callback(engines[role].aclose)
        yield engines


def _urls(models: Mapping[Writer, ModelSpec], serve: ServeConfig) -> dict[Writer, Sequence[str]]:
    """Base URLs of servers that run already."""
    for role in models:
        if not serve.of(role).urls:
            raise ConfigError(
                f"serve.{role}.urls is empty, and serve.kind=external starts no server",
                f"set serve.{role}.urls=[http://host:8000], or serve=local",
            )
    return {role: serve.of(role).urls for role in models}
