"""The miniature world as a benchmark: its held-out problems, programs in Python."""

from __future__ import annotations

import re
from pathlib import Path

from eval.benchmarks import Benchmark, Finder, Loaded, find_by
from eval.judge.judge import judge
from eval.judge.spec import Judgement, Limits
from eval.published import files_below
from tessy.config import BenchmarkConfig, JudgeConfig
from tessy.errors import ConfigError
from tessy.mini.style import style_marks
from tessy.mini.world import problems
from tessy.records import Message, Problem, read_jsonl

_FENCE = re.compile(r"^```python[ \t]*\n(.*?)^```[ \t]*$", re.DOTALL | re.MULTILINE)


def load(config: BenchmarkConfig, seed: int) -> Loaded:
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
    return Loaded(tuple(problems(seed, config.split or "held_out", config.problems)))


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


def open_data(folder: Path) -> Finder:
    """Problems in the folder's *.jsonl, each a `tessy.records.Problem`, by `problem_id`."""
    files = files_below(folder, "*.jsonl")
    return find_by("problem_id", (p for file in files for p in read_jsonl(file, Problem)), folder)


def _judge(problem: Problem, answer: str | None, config: JudgeConfig) -> Judgement:
    return judge(problem, answer, Limits.of(config))


BENCHMARK = Benchmark(
    size=240,
    load=load,
    prompt=prompt,
    extract=lambda problem, response: extract(response),
    judge=_judge,
    open_data=open_data,
    keys=("problem_id",),
    style=style_marks,
)
