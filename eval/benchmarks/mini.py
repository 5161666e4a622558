"""The miniature world as a benchmark: its held-out problems, programs in Python."""

from __future__ import annotations

import re

from tessy.config import BenchmarkConfig
from tessy.errors import ConfigError
from tessy.mini.style import style_marks as style
from tessy.mini.world import problems
from tessy.records import Message, Problem

__all__ = ["extract", "load", "prompt", "style"]

_FENCE = re.compile(r"^```python[ \t]*\n(.*?)^```[ \t]*$", re.DOTALL | re.MULTILINE)


def load(config: BenchmarkConfig, seed: int) -> list[Problem]:
    """Problems of a world's split, "held_out" unless the benchmark names another one.

    Raises:
        ConfigError: no number of problems, since the world has no end, or an unknown split.
    """
    if config.problems <= 0:
        raise ConfigError(
            f"benchmark {config.name!r} asks for all problems of the miniature world, which are "
            "without number",
            f"set benchmarks.{config.name}.problems above 0",
        )
    return problems(seed, config.split or "held_out", config.problems)


def prompt(problem: Problem) -> tuple[Message, ...]:
    """The conversation that asks for a solution."""
    return (Message("user", problem.prompt),)


def extract(response: str) -> str | None:
    """The code in the last ```python fence of an answer; None if it is missing or never closed."""
    start = response.rfind("```python")
    while start > 0 and response[start - 1] != "\n":  # a fence opens at the start of a line
        start = response.rfind("```python", 0, start)
    found = _FENCE.match(response, start) if start >= 0 else None
    return found[1] if found else None
