"""Servers for serve=local: started at once, watched, restarted, gone when they are not needed."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tessy import progress
from tessy.config import ServeConfig, ServerConfig
from tessy.engines.base import ModelSpec
from tessy.engines.serving.command import HOST, command, environment
from tessy.engines.serving.places import place
from tessy.engines.serving.process import Server
from tessy.errors import ConfigError, EngineDown, EngineError
from tessy.machine import visible_gpus, vllm_is_cpu_build
from tessy.records import Writer

_ASK_SECONDS = 0.5  # between two questions for the health of a server that starts
_WATCH_SECONDS = 2.0  # the same of one that is up


@dataclass(frozen=True)
class Servers:
    """Servers that are up, and where their `server_restarts` are counted while they are in use."""

    urls: Mapping[Writer, Sequence[str]]
    counts: dict[Writer, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))


@asynccontextmanager
async def local_servers(
    models: Mapping[Writer, ModelSpec],
    folders: Mapping[Writer, Path],
    serve: ServeConfig,
    logs: Path,
) -> AsyncIterator[Servers]:
    """vLLM servers for all roles, healthy on entry, stopped on leaving.

    A server that dies, or answers no question for its health for `serve.stall_seconds`, is started
    again at the same port, `serve.restarts` times each. However this process ends, by SIGKILL too,
    no server and none of its own processes outlives it.

    Args:
        models: by role.
        folders: where the models are, by role.
        serve: replicas, GPUs, ports, arguments, patience.
        logs: folder for `ROLE-REPLICA.log`, to which each start appends; made if absent.

    Raises:
        ConfigError: GPUs or ports do not suffice.
        EngineError: a server ended or was not healthy in time at the start.
        EngineDown: a server went down once too often; raised in the body, which is cancelled.
    """
    servers = _servers(models, folders, serve, logs)
    result = Servers({role: [s.url for s in servers[role]] for role in servers})
    every = [server for of_role in servers.values() for server in of_role]
    try:
        async with asyncio.TaskGroup() as group:
            keepers = [
                group.create_task(_keep(server, every[:n], serve, result))
                for n, server in enumerate(every)
            ]
            await _all_up(every)
            yield result
            for keeper in keepers:
                keeper.cancel()
    except BaseExceptionGroup as faults:
        raise faults.exceptions[0] from None


def _servers(
    models: Mapping[Writer, ModelSpec],
    folders: Mapping[Writer, Path],
    serve: ServeConfig,
    logs: Path,
) -> dict[Writer, list[Server]]:
    configs: dict[Writer, ServerConfig] = {role: serve.of(role) for role in models}
    gpus = () if vllm_is_cpu_build() else visible_gpus()
    places = place(configs, {r: spec.tensor_parallel for r, spec in models.items()}, len(gpus))
    ports = _ports(configs)
    servers: dict[Writer, list[Server]] = {role: [] for role in models}
    for where in places:
        role, port = where.role, ports[where.role][where.replica]
        servers[role].append(
            Server(
                role,
                where.name,
                where.gpus,
                command(models[role], folders[role], where, serve, port),
                environment(where, gpus, len(places), serve),
                port,
                logs / f"{where.name}.log",
            )
        )
    return servers


def _ports(configs: Mapping[Writer, ServerConfig]) -> dict[Writer, list[int]]:
    """A port for each replica; they are held while others are looked for, so all differ."""
    ports: dict[Writer, list[int]] = {}
    with ExitStack() as held:
        for role, config in configs.items():
            ports[role] = []
            for replica in range(config.replicas):
                port = config.port + replica if config.port else 0
                probe = held.enter_context(socket.socket())
                # Connections of the servers of an earlier stage may still be closing there.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((HOST, port))
                    probe.listen(1)  # with SO_REUSEADDR only a listening socket holds its port
                except OSError as error:
                    raise ConfigError(
                        f"port {port}, for {role}-{replica}, cannot be had ({error.strerror})",
                        f"set serve.{role}.port to another one, or to 0 for free ones",
                    ) from None
                ports[role].append(probe.getsockname()[1])
    return ports


async def _all_up(servers: Sequence[Server]) -> None:
    with progress.waiting() as show:
        while absent := [server.name for server in servers if not server.up.is_set()]:
            up = len(servers) - len(absent)
            show(f"servers: {up} of {len(servers)} up, waiting for {', '.join(absent)}")
            await asyncio.sleep(_ASK_SECONDS)


async def _keep(
    server: Server, earlier: Sequence[Server], serve: ServeConfig, servers: Servers
) -> None:
    """Start a server, and start it again when it goes down, `serve.restarts` times at most."""
    restarts = 0
    # vLLM measures what is free on its GPUs as it starts: those that share one start in turn.
    for other in earlier:
        if set(other.gpus) & set(server.gpus):
            await other.up.wait()
    try:
        while True:
            fault = await _run(server, serve)
            said = server.said()
            await server.stop()
            if not server.up.is_set():
                raise EngineError(
                    f"server {server.name} {fault}; its log {server.log} says{said}\n",
                    "mend what it names, or change the server's arguments",
                )
            if restarts == serve.restarts:
                raise EngineDown(
                    f"server {server.name} {fault}, after {serve.restarts} restarts; its log "
                    f"{server.log} says{said}\n",
                    "mend what it names; the same command goes on from here",
                )
            restarts += 1
            servers.counts[server.role]["server_restarts"] += 1
            progress.say(
                f"server {server.name} {fault}: restart {restarts} of {serve.restarts}, see "
                f"{server.log}"
            )
    finally:
        await server.stop()


async def _run(server: Server, serve: ServeConfig) -> str:
    """Start a server and watch it; return how it went down."""
    began = time.monotonic()
    await server.start()
    while not await server.healthy():
        if await server.exits_within(_ASK_SECONDS):
            return server.ending()
        if time.monotonic() - began > serve.start_seconds:
            return f"was not healthy after {serve.start_seconds:g} s (serve.start_seconds)"
    server.up.set()
    answered = time.monotonic()
    while not await server.exits_within(_WATCH_SECONDS):
        if await server.healthy():
            answered = time.monotonic()
        elif time.monotonic() - answered > serve.stall_seconds:
            return f"did not answer for {serve.stall_seconds:g} s (serve.stall_seconds)"
    return server.ending()
