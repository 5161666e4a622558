"""GPQA-Diamond: 198 questions of graduate science with four options.

Source: hub data set Idavidrein/gpqa (gated), file gpqa_diamond.csv. The right option stands first
there; here the options are shuffled, for each question in its own order.
"""

from __future__ import annotations

import random
import re
from pathlib import Path

from eval.benchmarks import Benchmark, Finder, Loaded, find_by, read_problems
from eval.judge.spec import Judgement
from eval.published import Row, folder_of, rows
from tessy.config import BenchmarkConfig, JudgeConfig
from tessy.records import Message, Problem

REPOSITORY = "Idavidrein/gpqa"
FILE = "gpqa_diamond"
LETTERS = "ABCD"
_OPTIONS = ("Correct Answer", *(f"Incorrect Answer {number}" for number in (1, 2, 3)))
_ASK = (
    "Answer the following multiple choice question. Please reason step by step, and put the letter "
    "of your choice, one of A, B, C and D, within \\boxed{}.\n\n"
)
_CHOICE = re.compile(
    r"\\boxed\s*\{\s*(?:\\(?:text|mathrm|textbf|mathbf)\s*\{)?\s*\(?([A-D])\b"
    r"|\banswer\b(?:\s+is)?\s*:?\s*[*_$\s]*\(?([A-D])\b(?!')",
    re.IGNORECASE,
)
_LAST_LINE = re.compile(r"[*_$\s(]*([A-D])[*_$\s).]*")


def load(config: BenchmarkConfig, seed: int) -> Loaded:
    """The questions; the order of the options follows from the seed and the question."""
    folder = folder_of(config.path, REPOSITORY, (f"{FILE}.csv",))
    return _read(folder, seed, config.problems)


def prompt(problem: Problem) -> tuple[Message, ...]:
    """Question and options, and where the letter is to stand."""
    return (Message("user", _ASK + problem.prompt),)


def extract(response: str) -> str | None:
    """The letter that is chosen last: boxed, after "answer", or alone on the last line."""
    found = [next(filter(None, match.groups())) for match in _CHOICE.finditer(response)]
    if found:
        return found[-1].upper()
    lines = response.strip().splitlines()
    alone = _LAST_LINE.fullmatch(lines[-1]) if lines else None
    return alone[1] if alone else None


def judge(problem: Problem, answer: str | None, config: JudgeConfig) -> Judgement:
    """Whether the letter is the right option's."""
    if answer is None:
        return Judgement("no_code", "the response chooses no letter")
    if answer == problem.metadata["answer"]:
        return Judgement("accepted")
    return Judgement("wrong_answer", f"{answer}, not {problem.metadata['answer']}")


def open_data(folder: Path) -> Finder:
    """Questions by `id` (the Record ID), shuffled as with seed 0."""
    return find_by("id", _read(folder, 0, 0).problems, folder)


def _read(folder: Path, seed: int, problems: int) -> Loaded:
    return read_problems(rows(folder, FILE), lambda row: _problem(row, seed), problems)


def _problem(row: Row, seed: int) -> Problem:
    name = row.text("Record ID")
    options = [row.text(option).strip() for option in _OPTIONS]
    order = list(range(len(options)))
    random.Random(f"{seed}/{name}").shuffle(order)
    lines = [f"{letter}) {options[i]}" for letter, i in zip(LETTERS, order, strict=True)]
    return Problem(
        name,
        row.text("Question").strip() + "\n\n" + "\n".join(lines),
        difficulty=str(row.values.get("High-level domain") or ""),
        metadata={"answer": LETTERS[order.index(0)]},
    )


BENCHMARK = Benchmark(
    size=198,
    load=load,
    prompt=prompt,
    extract=lambda problem, response: extract(response),
    judge=judge,
    open_data=open_data,
    keys=("id",),
    repositories=lambda config: (REPOSITORY,),
    needs_sandbox=False,
)
