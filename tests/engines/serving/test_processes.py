"""However a run ends, nothing of its servers is left; a server that goes down comes back."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tessy.config import ServeConfig, ServerConfig
from tessy.engines import loop
from tessy.engines.serving import Servers, local, local_servers, process
from tessy.errors import ConfigError, EngineDown, EngineError
from tests.engines.serving.parts import HTTP, MODELS, processes, stand_in, until

ROOT = Path(__file__).parents[3]
FAMILY = 4  # a guardian, its server, a child and a grandchild
SERVE = ServeConfig(start_seconds=30.0, stall_seconds=1.0, restarts=1)


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """What the environment of all servers of a test holds."""
    value = f"test-{uuid.uuid4()}"
    monkeypatch.setenv("TESSY_TEST_MARK", value)
    yield value
    for pid in processes(value):  # of a test that failed
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "command", stand_in())
    monkeypatch.setattr(local, "_ASK_SECONDS", 0.05)
    monkeypatch.setattr(local, "_WATCH_SECONDS", 0.05)
    monkeypatch.setattr(process, "_ANSWER_SECONDS", 0.2)


@pytest.mark.parametrize("how", ["leave", "raise", "SIGINT", "SIGTERM", "SIGKILL"])
def test_no_process_is_left_however_the_run_ends(how: str, mark: str, tmp_path: Path) -> None:
    victim = subprocess.Popen(
        [sys.executable, "-m", "tests.engines.serving.victim", str(tmp_path), how],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # Whoever starts the tests in the background has them ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert victim.stdout is not None and victim.stdout.readline() == b"up\n"
    if how.startswith("SIG"):
        n = 1 + 2 * (FAMILY + 1)  # in each family one has run away
        assert until(lambda: len(processes(mark)) == n), processes(mark)
        victim.send_signal(signal.Signals[how])
    assert victim.wait(30) == {"leave": 0, "raise": 1}.get(how, -getattr(signal, how, 0))
    assert until(lambda: not processes(mark)), processes(mark)


def families(mark: str) -> list[int]:
    """The processes of both servers, once all are there."""
    assert until(lambda: len(processes(mark)) == 2 * FAMILY), processes(mark)
    return processes(mark)


def server_of(mark: str, servers: Servers) -> int:
    """The student's server, the first of its family."""
    port = servers.urls["student"][0].rsplit(":", 1)[1]
    return min(set(processes(mark, f"stand_in.py\0{port}")) - set(processes(mark, "guardian")))


async def restarted(servers: Servers, times: int) -> None:
    """Wait until the student's server is up again."""
    while servers.counts["student"]["server_restarts"] < times:
        await asyncio.sleep(0.02)
    port = int(servers.urls["student"][0].rsplit(":", 1)[1])
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.02)
        else:
            writer.close()
            return


def hold(
    logs: Path, body: Callable[[Servers], Awaitable[None]], serve: ServeConfig = SERVE
) -> Servers:
    """Hold servers for both roles while `body` does something to them."""

    async def main() -> Servers:
        async with local_servers(MODELS, dict.fromkeys(MODELS, logs), serve, logs) as servers:
            await body(servers)
        return servers

    return loop.run(main(), HTTP)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP])
def test_a_server_that_dies_or_stalls_is_restarted_at_its_port_and_counted(
    number: signal.Signals, mark: str, tmp_path: Path
) -> None:
    async def body(servers: Servers) -> None:
        before = families(mark)
        first = server_of(mark, servers)
        os.kill(first, number)
        await restarted(servers, 1)
        assert first not in processes(mark)
        now = families(mark)
        assert len(set(now) - set(before)) == FAMILY

    servers = hold(tmp_path, body)
    assert servers.counts == {"student": {"server_restarts": 1}}
    starts = [(tmp_path / f"{role}-0.log").read_text().count("===") for role in MODELS]
    assert starts == [2, 1]
    assert processes(mark) == []


@pytest.mark.usefixtures("quick")
def test_a_guardian_that_is_killed_takes_its_server_along(mark: str, tmp_path: Path) -> None:
    async def body(servers: Servers) -> None:
        before = families(mark)
        os.kill(processes(mark, "guardian")[0], signal.SIGKILL)
        while not servers.counts:
            await asyncio.sleep(0.02)
        assert until(lambda: len(set(processes(mark)) & set(before)) == FAMILY)

    hold(tmp_path, body)
    assert processes(mark) == []


@pytest.mark.usefixtures("quick")
def test_a_server_that_dies_once_too_often_ends_the_body(mark: str, tmp_path: Path) -> None:
    ended = []

    async def body(servers: Servers) -> None:
        try:
            for times in range(1, 3):
                os.kill(server_of(mark, servers), signal.SIGKILL)
                await restarted(servers, times)
        except asyncio.CancelledError:
            ended.append(servers.counts["student"]["server_restarts"])
            raise

    with pytest.raises(EngineDown) as error:
        hold(tmp_path, body)
    assert ended == [1]
    said = str(error.value)
    assert "server student-0 was killed by SIGKILL, after 1 restarts" in said
    assert f"{tmp_path / 'student-0.log'} says\n  | loading" in said
    assert processes(mark) == []


@pytest.mark.usefixtures("quick")
def test_what_the_body_raises_is_what_the_caller_sees(mark: str, tmp_path: Path) -> None:
    async def body(servers: Servers) -> None:
        raise KeyError("of the body")

    with pytest.raises(KeyError, match="of the body"):
        hold(tmp_path, body)
    assert processes(mark) == []


async def nothing(servers: Servers) -> None:
    raise AssertionError("the servers are not up")


def test_a_server_that_cannot_start_is_one_error_with_its_first_fault_and_last_lines(
    mark: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "command", stand_in("fault"))
    with pytest.raises(EngineError) as error:
        hold(tmp_path, nothing)
    said = str(error.value)
    assert "-0 exited with status 3; its log " in said and ".log says" in said
    assert "| KeyError: 'factor'" in said and "| RuntimeError: see the root cause above" in said
    assert processes(mark) == []


def test_a_server_that_never_gets_healthy_is_an_error_in_time(
    mark: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "command", stand_in("hang"))
    with pytest.raises(EngineError, match=r"was not healthy after 1 s \(serve.start_seconds\)"):
        hold(tmp_path, nothing, dataclasses.replace(SERVE, start_seconds=1.0))
    assert processes(mark) == []


def test_a_port_that_is_taken_is_named_before_anything_starts(mark: str, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        serve = ServeConfig(student=ServerConfig(port=port))
        with pytest.raises(ConfigError, match=f"port {port}, for student-0, cannot be had"):
            hold(tmp_path, nothing, serve)
    assert list(tmp_path.iterdir()) == []


def test_two_roles_cannot_have_one_port(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ConfigError, match=f"port {port}, for teacher-0, cannot be had"):
        hold(tmp_path, nothing, ServeConfig(student=ServerConfig(port=port),
                                            teacher=ServerConfig(port=port)))  # fmt: skip


@pytest.mark.usefixtures("quick")
def test_a_fixed_port_is_had_again_at_once_by_the_next_stage(mark: str, tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as vLLM's does
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            listener.accept()[0].close()  # the server's side closes first, and lingers
            assert client.recv(1) == b""

    async def body(servers: Servers) -> None:
        assert servers.urls["student"] == [f"http://127.0.0.1:{port}"]

    hold(tmp_path, body, dataclasses.replace(SERVE, student=ServerConfig(port=port)))
