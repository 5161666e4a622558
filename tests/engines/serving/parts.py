"""What the tests of the life cycle share: stand-ins for servers, and finding their processes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tessy.config import EngineConfig
from tessy.engines import ModelSpec
from tessy.records import Writer

MODELS: dict[Writer, ModelSpec] = {
    "student": ModelSpec("mini:student", 64),
    "teacher": ModelSpec("mini:teacher", 64),
}
HTTP = EngineConfig("vllm")  # its servers are held on the event loop that its clients run on
STAND_IN = Path(__file__).with_name("stand_in.py")


def stand_in(*how: str) -> Callable[..., tuple[str, ...]]:
    """In place of `tessy.engines.serving.command.command`."""

    def command(spec: Any, folder: Any, place: Any, serve: Any, port: int) -> tuple[str, ...]:
        return (sys.executable, str(STAND_IN), str(port), *how)

    return command


def processes(mark: str, kind: str = "") -> list[int]:
    """Processes that still run and whose environment holds `mark`; with `kind` in their command."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes()
            command = (folder / "cmdline").read_bytes().decode(errors="replace")
            state = (folder / "stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if mark.encode() in environment and kind in command and state not in "ZX":
            found.append(int(folder.name))
    return sorted(found)


def until(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Wait for `condition`; its value, which is false only when time is up."""
    deadline = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return value
