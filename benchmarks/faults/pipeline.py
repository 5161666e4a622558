"""The miniature experiment as a process that is disturbed, and what it comes to."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# Cut to a size of which a run takes about a minute, with all its stages.
SMALL = (
    *("experiment=mini", "tracking=none", "report.bootstrap=200"),
    *("questions.samples=96", "questions.unique=64", "benchmarks.mini.problems=80"),
)
MARK = "TESSY_BENCHMARK_OF_FAULTS"  # in the environment of a run and of all that it starts


def start(outputs: Path, log: Path) -> subprocess.Popen[bytes]:
    """Begin, or go on with, the experiment; `log` receives what it says."""
    command = [sys.executable, str(ROOT / "run.py"), *SMALL, f"outputs_dir={outputs}"]
    with log.open("wb") as file:
        return subprocess.Popen(
            command,
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=os.environ | {MARK: str(outputs)},
        )


def finish(outputs: Path, log: Path) -> float:
    """Let it come to its end; the seconds that it took.

    Raises:
        RuntimeError: it failed.
    """
    began = time.monotonic()
    if start(outputs, log).wait():
        raise RuntimeError(f"the undisturbed run failed: {log.read_text(errors='replace')[-2000:]}")
    return time.monotonic() - began


def left_over(outputs: Path, seconds: float = 5.0) -> int:
    """Processes of a run that is dead which are still there after so many seconds."""
    mark = f"{MARK}={outputs}".encode()
    deadline = time.monotonic() + seconds
    while True:
        left = sum(mark in _environment(process) for process in Path("/proc").glob("[0-9]*"))
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.05)


def _environment(process: Path) -> list[bytes]:
    try:
        return (process / "environ").read_bytes().split(b"\0")
    except OSError:  # it has ended, or is another user's
        return []


def outcome(outputs: Path) -> dict[str, Any]:
    """All that must be the same, however often the run was disturbed: the data set's text, the
    weights bit by bit, every answer with its verdict, and the table.
    """
    artifacts = outputs / "artifacts"
    return {
        "data": {
            path.parent.name: _samples(path)
            for path in artifacts.glob("synthesize/[!.]*/trajectories.jsonl")
        },
        "weights": {
            path.parts[-3]: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in artifacts.glob("sft/[!.]*/model/model.safetensors")
        },
        "answers": {
            path.parent.name: path.read_text(encoding="utf-8")
            for path in artifacts.glob("evaluate/[!.]*/answers.jsonl")
        },
        "table": json.loads((outputs / "reports/mini/results.json").read_text(encoding="utf-8")),
    }


def _samples(path: Path) -> list[list[Any]]:
    """Without the times, and the tokens that were generated before a cut was known."""
    kept = ("question_id", "repeat", "spans", "finish")
    lines = path.read_text(encoding="utf-8").splitlines()
    return [[sample[name] for name in kept] for sample in map(json.loads, lines)]
