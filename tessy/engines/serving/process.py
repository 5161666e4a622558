"""One server process in the care of a guardian: start, health, log, stop."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tessy.engines.serving import guardian
from tessy.engines.serving.command import HOST
from tessy.records import Writer

_ANSWER_SECONDS = 10.0  # after which one question for the health is given up
_LAST_LINES = 8  # of a log, in an error
_FAULT = re.compile(r"^.*?(\b[\w.]*(?:Error|Exception)\b: .*)$", re.MULTILINE)


@dataclass(eq=False)
class Server:
    """A server that may be started more than once, always at the same port."""

    role: Writer
    name: str
    gpus: tuple[int, ...]
    command: tuple[str, ...]
    environment: Mapping[str, str]
    port: int
    log: Path
    up: asyncio.Event = field(default_factory=asyncio.Event)  # it was healthy once
    _guardian: Process | None = None
    _begin: int = 0  # byte in the log where the present start begins

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    async def start(self) -> None:
        """Start the process; its output is appended to the log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        guarded = (sys.executable, guardian.__file__, str(os.getpid()), *self.command)
        with self.log.open("ab") as log:
            when = time.strftime("%Y-%m-%d %H:%M:%S")
            log.write(f"=== {when} {self.name}: {shlex.join(self.command)}\n".encode())
            log.flush()
            self._begin = log.tell()
            # A session of its own: Ctrl-C in the terminal reaches only us, and we stop it in order.
            self._guardian = await asyncio.create_subprocess_exec(
                *guarded,
                stdin=PIPE,
                stdout=log,
                stderr=log,
                env=self.environment,
                start_new_session=True,
            )

    async def exits_within(self, seconds: float) -> bool:
        """Wait so long at most for the process to end; whether it has."""
        assert self._guardian is not None
        with suppress(TimeoutError):
            await asyncio.wait_for(self._guardian.wait(), seconds)
        return self._guardian.returncode is not None

    async def healthy(self) -> bool:
        """Whether it answers GET /health with 200."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                reader, writer = await asyncio.open_connection(HOST, self.port)
                try:
                    writer.write(b"GET /health HTTP/1.0\r\n\r\n")
                    status = await reader.readline()
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return False
        return status.split()[1:2] == [b"200"]

    async def stop(self) -> None:
        """End the process and all that it started; nothing of it is left on return."""
        process = self._guardian
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()  # the guardian ends the server, and then itself
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 3 * guardian.GRACE)
        if process.returncode is None or process.returncode < 0:  # it was killed, or is stuck
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        self._guardian = None  # only now: a call that is cancelled while it waits is made again

    def ending(self) -> str:
        """How the process ended, in words."""
        assert self._guardian is not None and self._guardian.returncode is not None
        status = self._guardian.returncode
        number = -status if status < 0 else status - 128
        if number in signal.valid_signals():
            return f"was killed by {signal.Signals(number).name}"
        return f"exited with status {status}"

    def said(self) -> str:
        """What the log of the present start says: its first fault and its last lines."""
        with self.log.open("rb") as log:
            log.seek(self._begin)
            text = log.read().decode(errors="replace")
        lines = [line for line in text.splitlines() if line.strip()][-_LAST_LINES:]
        first = _FAULT.search(text)
        if first and not any(first[1] in line for line in lines):
            lines = [first[1], "...", *lines]
        return "".join(f"\n  | {line}" for line in lines) or " (nothing)"
