"""Progress bars with rate and time left, on a terminal and in a log file alike."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm

_LINE = "{desc}{percentage:3.0f}% {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}{postfix}]"


def bar(total: int, label: str, unit: str, done: int = 0, line: str | None = None) -> tqdm[Any]:
    """A bar of `total` units of which `done` were finished by an earlier run.

    In a log file it prints a line every ten seconds, without the drawn bar, instead of redrawing.
    `line` is the format of both, where another is wanted.
    """
    live = sys.stderr.isatty()
    return tqdm(
        total=total,
        initial=done,
        desc=f"{label:<34}",
        unit=f" {unit}",
        dynamic_ncols=live,
        bar_format=line or (None if live else _LINE),
        mininterval=0.2 if live else 10,
        leave=True,
    )


def waiting(total: int, label: str, unit: str) -> tqdm[Any]:
    """A line that says how much of `total` has come, after how long, and what is still awaited.

    What is awaited is its postfix. It is drawn as `bar` draws.
    """
    line = bar(total, label, unit, line="{desc} {n_fmt}/{total_fmt}{unit} after {elapsed}{postfix}")
    line.miniters = 0  # it goes on with time, not with what has come
    return line


def say(text: str) -> None:
    """Print a line to standard error, above the bars that are there."""
    tqdm.write(text, file=sys.stderr)
