"""Benchmarks: one file each, named like the `kind` of its configuration, holding a `BENCHMARK`."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from eval.judge.spec import Judgement
from eval.published import Row
from tessy.config import BenchmarkConfig, JudgeConfig
from tessy.errors import DataError, MissingError, nearest
from tessy.records import Message, Problem


@dataclass(frozen=True)
class Unjudged:
    """A problem that cannot be judged here, and why."""

    problem_id: str
    reason: str  # with file and line where there are any
    # Whether the benchmark still counts it, as not passed; otherwise it is left out of the score.
    counts: bool
    difficulty: str = ""
    split: str = ""


@dataclass(frozen=True)
class Loaded:
    """The problems of a benchmark, in its order."""

    problems: tuple[Problem, ...]
    unjudged: tuple[Unjudged, ...] = ()


def no_style(response: str) -> Mapping[str, float]:
    """Marks of style are known in the miniature world only."""
    return {}


def read_problems(
    rows: Iterable[Row | DataError], make: Callable[[Row], Problem], problems: int
) -> Loaded:
    """The first so many problems (0: all) of rows; what cannot be read is listed and counts."""
    found: list[Problem] = []
    unjudged: list[Unjudged] = []
    for row in rows:
        try:
            if isinstance(row, DataError):
                raise row
            found.append(make(row))
        except DataError as error:
            where = row.where if isinstance(row, Row) else row.what.split(" ")[0]
            unjudged.append(Unjudged(where, str(error), counts=True))
    return Loaded(tuple(found[: problems or None]), tuple(unjudged))


# From a row of a file of responses to its problem; raises DataError where there is none.
Finder = Callable[[Mapping[str, Any]], Problem]


def find_by(key: str, problems: Iterable[Problem], folder: Path) -> Finder:
    """Problems by one field of a response, which is the problem's id."""
    found = {problem.problem_id: problem for problem in problems}

    def find(row: Mapping[str, Any]) -> Problem:
        if str(row[key]) not in found:
            raise DataError(f"{key} {row[key]!r:.80} is not in {folder}")
        return found[str(row[key])]

    return find


@dataclass(frozen=True)
class Benchmark:
    """What evaluation and grading need to know about a benchmark."""

    size: int  # problems of all of it, for estimates before it is loaded
    load: Callable[[BenchmarkConfig, int], Loaded]  # problems of a configuration and seed
    prompt: Callable[[Problem], tuple[Message, ...]]  # how a model is asked
    # What is judged of an answer: a program, an expression, a letter. None if there is none.
    extract: Callable[[Problem, str], str | None]
    judge: Callable[[Problem, str | None, JudgeConfig], Judgement]
    # Problems by the rows of a file of responses, from a folder of data as published. The keys of
    # such a row besides "content" are `keys`.
    open_data: Callable[[Path], Finder]
    keys: tuple[str, ...]
    needs_sandbox: bool = True
    # Data sets on the hub that loading reads where the configuration gives no path.
    repositories: Callable[[BenchmarkConfig], tuple[str, ...]] = lambda config: ()
    packages: tuple[str, ...] = ()  # modules that judging imports besides tessy's dependencies
    style: Callable[[str], Mapping[str, float]] = no_style
    # What the benchmark's own judge calls a verdict, where it has another word.
    words: Mapping[str, str] = field(default_factory=dict)
    # Fields that grading adds to a row besides the common ones.
    extra: Callable[[Judgement], Mapping[str, Any]] = lambda judgement: {}


def kinds() -> list[str]:
    """The benchmarks that there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def find_benchmark(kind: str) -> Benchmark:
    """The benchmark of a kind.

    Raises:
        MissingError: this version of tessy cannot evaluate that kind.
    """
    if kind not in kinds():
        raise MissingError(f"benchmark of kind {kind!r} is unknown", nearest(kind, kinds()))
    benchmark: Benchmark = import_module(f"{__name__}.{kind}").BENCHMARK
    return benchmark
