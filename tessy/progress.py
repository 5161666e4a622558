"""Progress bars with rate and time left, on a terminal and in a log file alike."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


@contextmanager
def waiting() -> Iterator[Callable[[str], None]]:
    """A function that says what is waited for, and how long already.

    On a terminal it redraws one line below the bars, in a log file it prints one every ten seconds.
    """
    line = tqdm(bar_format="{desc}", leave=False) if sys.stderr.isatty() else None
    began = shown = time.monotonic()

    def show(text: str) -> None:
        nonlocal shown
        now = time.monotonic()
        words = f"{text}, {now - began:.0f} s"
        if line is not None:
            line.set_description_str(words)
        elif now - shown >= 10:
            say(words)
            shown = now

    try:
        yield show
    finally:
        if line is not None:
            line.close()


def say(text: str) -> None:
    """Print a line to standard error, above the bars that are there."""
    tqdm.write(text, file=sys.stderr)
