"""What is recorded of an evaluation: judged answers, problems that cannot be judged, counts."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from eval.benchmarks import Unjudged
from eval.judge.spec import Judgement
from tessy.engines.base import Completion
from tessy.journal import replace_lines
from tessy.records import Finish, JudgedAnswer, Problem, Verdict
from tessy.repetition import repeats


def list_unjudged(path: Path, unjudged: Sequence[Unjudged]) -> None:
    """Write them down, one a line, and say so once."""
    if unjudged:
        replace_lines(
            path, (json.dumps(dataclasses.asdict(problem)) + "\n" for problem in unjudged)
        )
        logging.getLogger(__name__).warning(
            "%d problems cannot be judged (the first: %s); %s lists them",
            *(len(unjudged), unjudged[0].reason, path),
        )


def not_asked(problem: Unjudged, run: int) -> JudgedAnswer:
    """What stands for an answer to a problem that cannot be judged, but counts."""
    return JudgedAnswer(
        problem_id=problem.problem_id,
        run=run,
        response="",
        finish="failed",
        n_tokens=0,
        verdict="judge_fault",
        passed=False,
        message=problem.reason,
        difficulty=problem.difficulty,
        split=problem.split,
    )


def record(
    problem: Problem,
    run: int,
    finish: Finish,
    n_tokens: int,
    response: str,
    verdict: Judgement,
    style: Mapping[str, float],
) -> JudgedAnswer:
    """A judged answer as it is stored."""
    return JudgedAnswer(
        problem_id=problem.problem_id,
        run=run,
        response=response,
        finish=finish,
        n_tokens=n_tokens,
        verdict=verdict.verdict,
        passed=verdict.passed,
        message=verdict.message,
        style=style,
        difficulty=problem.difficulty,
        split=str(problem.metadata.get("split", "")),
    )


def finish_of(completion: Completion, response: str) -> Finish:
    """An answer that reached the limit while it went round in circles is degenerate."""
    if completion.finish == "stop":
        return "complete"
    return "degenerate" if repeats(response) else "length"


def counts(answers: Sequence[JudgedAnswer]) -> dict[str, float | int]:
    """Totals over all answers."""
    finishes: Mapping[str, int] = Counter(a.finish for a in answers)
    verdicts: Mapping[str, int] = Counter(a.verdict for a in answers)
    return {
        "answers": len(answers),
        "passed": sum(a.passed for a in answers),
        "tokens": sum(a.n_tokens for a in answers),
        **{f"finish_{name}": finishes[name] for name in get_args(Finish)},
        **{f"verdict_{name}": verdicts[name] for name in get_args(Verdict)},
    }
