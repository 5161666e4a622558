"""The measurements, each as a function that a process of its own can run."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.synthesis.kill import Loss, kill
from benchmarks.synthesis.limit import limit
from benchmarks.synthesis.lockstep import lockstep
from benchmarks.synthesis.loopback import Cost, Load, client_cost
from benchmarks.synthesis.measure import WHOLE_RUN, Figures, Window
from benchmarks.synthesis.oracle import oracle
from benchmarks.synthesis.ours import Orchestration, cooperate
from benchmarks.synthesis.times import FrontEnd, servers
from benchmarks.synthesis.world import World


def run_ours(
    n: int, how: Orchestration, front: FrontEnd, scale: float, room: int, begun: int = 0
) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), n, scale, begun=begun)
        return cooperate(world, servers(front, room), Path(folder), how)


def run_lockstep(
    n: int,
    front: FrontEnd,
    scale: float,
    in_flight: int,
    window: Window = WHOLE_RUN,
    begun: int = 0,
) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), n, scale, begun=begun)
        return lockstep(world, servers(front), in_flight, window)


def run_limit(
    n: int, in_flight: int, scale: float, window: Window = WHOLE_RUN, begun: int = 0
) -> float:
    with tempfile.TemporaryDirectory() as folder:
        steps = {role: model.step for role, model in servers(FrontEnd()).items()}
        world = World(Path(folder), n, scale, begun=begun)
        return limit(world, steps, in_flight, window)


def run_oracle(n: int, scale: float) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        return oracle(World(Path(folder), n, scale), servers(FrontEnd()), n)


def run_kill(n: int, front: FrontEnd, scale: float, seconds: float) -> Loss:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), n, scale)
        return kill(world, servers(front), Path(folder), Orchestration(n), seconds)


def run_client(interval: int) -> Cost:
    with tempfile.TemporaryDirectory() as folder:
        return client_cost(Path(folder), Load(interval=interval))
