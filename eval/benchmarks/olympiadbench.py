"""OlympiadBench, its open questions without pictures; answers are expressions.

Source: hub data set Hothan/OlympiadBench. A split is one of its subsets, such as
OE_TO_maths_en_COMP (674 problems: open-ended, text-only, mathematics, English, competition).
"""

from __future__ import annotations

from pathlib import Path

from eval.benchmarks import Benchmark, Finder, Loaded, find_by, read_problems
from eval.checkers.mathematics import boxed, equal_in_any_order, split_answers
from eval.judge.spec import Judgement
from eval.published import Row, folder_of, rows
from eval.submission import with_retry
from tessy.config import BenchmarkConfig, JudgeConfig
from tessy.errors import DataError
from tessy.records import Message, Problem

REPOSITORY = "Hothan/OlympiadBench"
_TEXT_ONLY = "OE_TO"
_MANY = "The problem has several answers; separate them by commas. "
_ASK = "Please reason step by step, and put your final answer within \\boxed{}."


def load(config: BenchmarkConfig, seed: int) -> Loaded:
    """The problems of a subset; of all open-ended, text-only ones where none is named.

    Raises:
        DataError: the subset has pictures, or the folder no such file.
    """
    subset = config.split or _TEXT_ONLY
    if not subset.startswith(_TEXT_ONLY):
        raise DataError(
            f"benchmark {config.name}: split {subset!r} is not open-ended and text-only",
            "name a subset that begins with OE_TO, such as OE_TO_maths_en_COMP",
        )
    folder = folder_of(config.path, REPOSITORY, (f"*{subset}*.parquet",))
    return _read(folder, subset, config.problems)


def prompt(problem: Problem) -> tuple[Message, ...]:
    """Context and question, and where the answer is to stand."""
    context = problem.metadata["context"]
    text = f"{context}\n\n{problem.prompt}" if context else problem.prompt
    many = _MANY if problem.metadata["multiple"] else ""
    unit = problem.metadata["unit"]
    without = f"Leave out the unit ({unit}). " if unit else ""
    return (Message("user", f"{text}\n\n{many}{without}{_ASK}"),)


def judge(problem: Problem, answer: str | None, config: JudgeConfig) -> Judgement:
    """Whether the boxed expressions equal the answers, numbers within the published tolerance."""
    if answer is None:
        return Judgement("no_code", "the response holds no closed \\boxed{}")
    return with_retry(lambda: _compared(problem, answer))


def open_data(folder: Path) -> Finder:
    """Problems by `id`."""
    return find_by("id", _read(folder, _TEXT_ONLY, 0).problems, folder)


def _compared(problem: Problem, answer: str) -> Judgement:
    expected, tolerance = problem.metadata["answer"], problem.metadata["tolerance"]
    several = problem.metadata["multiple"]
    mine = split_answers(answer) if several else [answer]
    theirs = split_answers(expected) if several else [expected]
    if equal_in_any_order(mine, theirs, tolerance):
        return Judgement("accepted")
    return Judgement("wrong_answer", f"{answer!r:.80} is not {expected!r:.80}")


def _read(folder: Path, subset: str, problems: int) -> Loaded:
    return read_problems(rows(folder, subset), _problem, problems)


def _problem(row: Row) -> Problem:
    values = row.values
    answers = values.get("final_answer")
    if not isinstance(answers, list) or len(answers) != 1 or not isinstance(answers[0], str):
        raise DataError(f"{row.where}: final_answer is {answers!r:.80}, not a list of one text")
    error = str(values.get("error") or "0")
    try:
        tolerance = max(float(part) for part in error.split(","))
    except ValueError:
        raise DataError(f"{row.where}: error is {error!r:.80}, not a number") from None
    return Problem(
        str(values.get("id")),
        row.text("question"),
        difficulty=str(values.get("subfield") or ""),
        metadata={
            "answer": answers[0].strip().strip("$"),
            "multiple": bool(values.get("is_multiple_answer")),
            "tolerance": tolerance,
            "context": values.get("context") or "",
            "unit": values.get("unit") or "",
        },
    )


BENCHMARK = Benchmark(
    size=674,
    load=load,
    prompt=prompt,
    extract=lambda problem, response: boxed(response),
    judge=judge,
    open_data=open_data,
    keys=("id",),
    repositories=lambda config: (REPOSITORY,),
    needs_sandbox=False,
    packages=("math_verify",),
)
