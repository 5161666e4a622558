"""Progress bars with rate and time left, on a terminal and in a log file alike."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm

_LINE = "{desc}{percentage:3.0f}% {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}{postfix}]"


def bar(total: int, label: str, unit: str, done: int = 0) -> tqdm[Any]:
    """A bar of `total` units of which `done` were finished by an earlier run.

    In a log file it prints a line every ten seconds, without the drawn bar, instead of redrawing.
    """
    live = sys.stderr.isatty()
    return tqdm(
        total=total,
        initial=done,
        desc=f"{label:<34}",
        unit=f" {unit}",
        dynamic_ncols=live,
        bar_format=None if live else _LINE,
        mininterval=0.2 if live else 10,
        leave=True,
    )
