"""The stored curve of a training: one JSON line an optimizer step. Imports nothing heavy."""

from __future__ import annotations

import json
from pathlib import Path

CURVE = "curve.jsonl"
CLOCKED = ("tokens_per_second", "memory_gb", "mfu")  # columns that another run would not repeat


def read_curve(path: Path) -> list[dict[str, float]]:
    """The points of a curve, in the order of the steps."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
