"""`kill -9` at random moments of the whole path, each time the same command again."""

from __future__ import annotations

import random
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.faults.pipeline import finish, left_over, outcome, start


@dataclass(frozen=True)
class Kills:
    """What came of it.

    `undisturbed` is the seconds of a run without, of which `repeated` is the share that was spent
    again, starts included; `reached` are the stages in which it was killed.
    """

    undisturbed: float
    kills: int
    same: bool
    repeated: float
    left_processes: int
    reached: tuple[str, ...]


def kills(folder: Path, count: int, seed: int) -> Kills:
    """Run undisturbed, then in another folder with `count` kills, and compare what is there.

    A run that is done before it is killed so often is not begun anew.
    """
    draw = random.Random(seed)
    whole = finish(folder / "undisturbed", folder / "undisturbed.log")
    outputs, left, done = folder / "killed", 0, 0
    reached: list[str] = []
    began = time.monotonic()
    while True:
        log = folder / f"killed-{done}.log"
        process = start(outputs, log)
        try:
            process.wait(draw.expovariate(count / whole) if done < count else None)
            break
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            done += 1
            reached += _stage(log)
            left += left_over(outputs)
    if process.returncode:
        raise RuntimeError(f"it failed after {done} kills: {log.read_text(errors='replace')}")
    seconds = time.monotonic() - began
    same = outcome(outputs) == outcome(folder / "undisturbed")
    return Kills(whole, done, same, seconds / whole - 1, left, tuple(dict.fromkeys(reached)))


def _stage(log: Path) -> list[str]:
    """The stage that a run was in, by the last line that names one."""
    named = re.findall(r"^\[\d+/\d+\] (\w+)", log.read_text(errors="replace"), re.MULTILINE)
    return named[-1:]
