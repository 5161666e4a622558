"""Holds local servers until it is ended: `python -m tests.engines.serving.victim LOGS HOW`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tessy.config import ServeConfig
from tessy.engines import loop
from tessy.engines.serving import local, local_servers
from tests.engines.serving.parts import HTTP, MODELS, stand_in


async def main(logs: Path, how: str) -> None:
    local.command = stand_in("runaway", *["stubborn"] * (how == "SIGKILL"))
    async with local_servers(MODELS, dict.fromkeys(MODELS, logs), ServeConfig(), logs):
        print("up", flush=True)
        if how == "leave":
            return
        if how == "raise":
            raise ValueError("a fault of the run")
        await asyncio.sleep(600)


if __name__ == "__main__":
    loop.run(main(Path(sys.argv[1]), sys.argv[2]), HTTP)
