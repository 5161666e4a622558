"""AIME 2024 and 2025: 30 problems each, whose answers are integers from 0 to 999."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from eval.benchmarks import Benchmark, Finder, Loaded, find_by, read_problems
from eval.checkers.mathematics import boxed, equal
from eval.judge.spec import Judgement
from eval.published import Row, folder_of, rows
from eval.submission import with_retry
from tessy.config import BenchmarkConfig, JudgeConfig
from tessy.errors import ConfigError, DataError, nearest
from tessy.records import Message, Problem

REPOSITORIES = {"2024": "HuggingFaceH4/aime_2024", "2025": "opencompass/AIME2025"}
# The same fields are spelled in several ways by those who publish the problems.
_QUESTION, _ANSWER, _ID = ("problem", "question"), ("answer",), ("id", "problem_id", "url")
_ASK = "\n\nPlease reason step by step, and put your final answer within \\boxed{}."


def load(config: BenchmarkConfig, seed: int) -> Loaded:
    """The problems of the year that `split` names.

    Raises:
        ConfigError: another split than 2024 or 2025.
    """
    if config.split not in REPOSITORIES:
        raise ConfigError(
            f"benchmarks.{config.name}.split={config.split!r} is no year of AIME",
            nearest(config.split, REPOSITORIES),
        )
    patterns = ("*.parquet", "*.jsonl")
    return _read(folder_of(config.path, REPOSITORIES[config.split], patterns), config.problems)


def prompt(problem: Problem) -> tuple[Message, ...]:
    """The problem, and where the answer is to stand."""
    return (Message("user", problem.prompt + _ASK),)


def judge(problem: Problem, answer: str | None, config: JudgeConfig) -> Judgement:
    """Whether the boxed expression equals the answer."""
    if answer is None:
        return Judgement("no_code", "the response holds no closed \\boxed{}")
    return with_retry(lambda: _compared(answer, problem.metadata["answer"]))


def _compared(answer: str, expected: str) -> Judgement:
    if equal(answer, expected):
        return Judgement("accepted")
    return Judgement("wrong_answer", f"{answer!r:.80} is not {expected!r}")


def open_data(folder: Path) -> Finder:
    """Problems by `id`."""
    return find_by("id", _read(folder, 0).problems, folder)


def _read(folder: Path, problems: int) -> Loaded:
    numbers = count(1)
    return read_problems(rows(folder), lambda row: _problem(row, next(numbers)), problems)


def _problem(row: Row, number: int) -> Problem:
    values = {name.lower(): value for name, value in row.values.items()}
    question, answer, name = (
        next((values[k] for k in keys if values.get(k) not in (None, "")), None)
        for keys in (_QUESTION, _ANSWER, _ID)
    )
    if not isinstance(question, str):
        raise DataError(f"{row.where}: problem is {question!r:.80}, not a text")
    if isinstance(answer, bool) or not str(answer).strip("+ ").isdigit():
        raise DataError(f"{row.where}: answer is {answer!r:.80}, not an integer")
    name = str(number if name is None else name)
    return Problem(name, question, metadata={"answer": str(answer).strip()})


BENCHMARK = Benchmark(
    size=30,
    load=load,
    prompt=prompt,
    extract=lambda problem, response: boxed(response),
    judge=judge,
    open_data=open_data,
    keys=("id",),
    repositories=lambda config: (
        (REPOSITORIES[config.split],) if config.split in REPOSITORIES else ()
    ),
    needs_sandbox=False,
    packages=("math_verify",),
)
