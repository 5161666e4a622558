"""Which server runs on which GPUs, and how much of their memory it may take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tessy.config import ServerConfig
from tessy.errors import ConfigError
from tessy.records import Writer


@dataclass(frozen=True)
class Place:
    """Where one server runs."""

    role: Writer
    replica: int
    gpus: tuple[int, ...]  # indices among those of the machine; empty: its CPU
    memory_share: float  # of each of these GPUs

    @property
    def name(self) -> str:
        return f"{self.role}-{self.replica}"


def place(
    servers: Mapping[Writer, ServerConfig], tensor_parallel: Mapping[Writer, int], n_gpus: int
) -> list[Place]:
    """A place for each replica of each role, in the order of `servers`.

    Roles that name their GPUs get these. The others get the least used ones, the widest role
    first, so that no two servers meet while there is room. Those that must share a GPU divide
    their `memory_share` by the number of its servers.

    Args:
        servers: by role.
        tensor_parallel: GPUs a replica, by role.
        n_gpus: of the machine; with none all servers run on its CPU.

    Raises:
        ConfigError: too few GPUs, or more than all of a GPU's memory is asked for.
    """
    if not n_gpus:
        return _on_cpu(servers, tensor_parallel)
    blocks: dict[Writer, list[tuple[int, ...]]] = {}
    users: Counter[int] = Counter()  # servers of each GPU
    chosen = [role for role, server in servers.items() if server.gpus]
    for role in chosen:
        blocks[role] = _named(role, servers[role], tensor_parallel[role], n_gpus)
        users.update(gpu for block in blocks[role] for gpu in block)
    divided = [role for role in servers if role not in chosen]
    for role in sorted(divided, key=lambda role: -tensor_parallel[role]):
        blocks[role] = _least_used(role, servers[role], tensor_parallel[role], n_gpus, users)
        users.update(gpu for block in blocks[role] for gpu in block)
    places = []
    for role, server in servers.items():
        for replica, block in enumerate(blocks[role]):
            sharers = 1 if role in chosen else max(users[gpu] for gpu in block)
            places.append(Place(role, replica, block, server.memory_share / sharers))
    _check_memory(places)
    return places


def _on_cpu(
    servers: Mapping[Writer, ServerConfig], tensor_parallel: Mapping[Writer, int]
) -> list[Place]:
    for role, server in servers.items():
        if server.gpus:
            raise ConfigError(
                f"serve.{role}.gpus={list(server.gpus)}, but this machine has no GPU",
                f"set serve.{role}.gpus=[]",
            )
        if tensor_parallel[role] > 1:
            raise ConfigError(
                f"{role}.tensor_parallel={tensor_parallel[role]}, but this machine has no GPU",
                f"set {role}.tensor_parallel=1 or use serve=external",
            )
    return [
        Place(role, replica, (), server.memory_share)
        for role, server in servers.items()
        for replica in range(server.replicas)
    ]


def _named(role: Writer, server: ServerConfig, width: int, n_gpus: int) -> list[tuple[int, ...]]:
    gpus = server.gpus
    said = f"serve.{role}.gpus={list(gpus)}"
    if unknown := sorted(gpu for gpu in gpus if not 0 <= gpu < n_gpus):
        raise ConfigError(
            f"{said}: this machine has no GPU {unknown[0]}", f"choose from 0 to {n_gpus - 1}"
        )
    if len(set(gpus)) < len(gpus):
        raise ConfigError(f"{said} names a GPU twice", "name each once")
    if len(gpus) != server.replicas * width:
        raise ConfigError(
            f"{said} are {len(gpus)}, but serve.{role}.replicas={server.replicas} with "
            f"{role}.tensor_parallel={width} need {server.replicas * width}",
            f"name as many, or change serve.{role}.replicas or {role}.tensor_parallel",
        )
    return _blocks(gpus, width)


def _least_used(
    role: Writer, server: ServerConfig, width: int, n_gpus: int, users: Counter[int]
) -> list[tuple[int, ...]]:
    if server.replicas * width > n_gpus:
        raise ConfigError(
            f"serve.{role}.replicas={server.replicas} with {role}.tensor_parallel={width} need "
            f"{server.replicas * width} GPUs, this machine has {n_gpus}",
            f"set serve.{role}.replicas or {role}.tensor_parallel lower, or use serve=external",
        )
    gpus = sorted(range(n_gpus), key=lambda gpu: (users[gpu], gpu))
    return _blocks(sorted(gpus[: server.replicas * width]), width)


def _blocks(gpus: Sequence[int], width: int) -> list[tuple[int, ...]]:
    return [tuple(gpus[start : start + width]) for start in range(0, len(gpus), width)]


def _check_memory(places: Sequence[Place]) -> None:
    for gpu in sorted({gpu for p in places for gpu in p.gpus}):
        here = [p for p in places if gpu in p.gpus]
        total = sum(p.memory_share for p in here)
        if total > 1.0 + 1e-9:
            shares = " and ".join(f"{p.memory_share:.2f} for {p.name}" for p in here)
            roles = dict.fromkeys(p.role for p in here)
            options = " and ".join(f"serve.{role}.memory_share" for role in roles)
            raise ConfigError(
                f"GPU {gpu} would give {total:.2f} of its memory: {shares}",
                f"set {options} to at most 1 together, or name other GPUs in serve.{here[0].role}"
                ".gpus",
            )
