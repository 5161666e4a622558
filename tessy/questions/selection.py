"""The teacher decides which questions are problems of programming contests (paper, section 4.1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from tessy import progress
from tessy.engines.asking import USABLE, Answer, Answers, Put, ask_all
from tessy.errors import DataError
from tessy.questions.removed import Reason
from tessy.records import Question

INSTRUCTION = """\
Below is a question that somebody asked a language model. Decide whether it is a problem of the \
kind that programming contests and online judges pose.

It is one if a program or a function is asked for, the statement says what is given and what is to \
be computed from it, and whether a solution is right could be decided by running it on hidden tests.

It is none if it asks to explain, review, translate, mend or complete code, for a design, an \
application, a page or the use of a particular library or tool, for a proof, a formula or a single \
value, or if a part of the statement that it needs is not there.

Do not solve the problem. Answer with one word and nothing else: YES or NO.

The question:
"""
WORDS = {"YES": True, "NO": False}


def request(question: str) -> str:
    """The user message that asks whether a question is a contest problem."""
    return f"{INSTRUCTION}<question>\n{question.strip()}\n</question>"


def parse(answer: str) -> bool | None:
    """What an answer says; None where it is anything but the one word that it must be."""
    return WORDS.get(answer.strip().upper())


def judged(answer: Answer) -> bool | Reason:
    """Whether the question is a contest problem, or why that is not known."""
    if answer.finish != "complete":
        return "truncated" if answer.finish == "length" else "failed"
    said = parse(answer.text)
    return "not_yes_or_no" if said is None else said


async def select(
    questions: Callable[[], Iterable[Question]],
    total: int,
    put: Put,
    answers: Answers,
    at_once: int,
    label: str,
) -> None:
    """Ask about each question that is not in the journal.

    Args:
        questions: reads the questions; they are not held in memory.
        total: how many there are.
        put: asks the teacher.
        answers: the journal.
        at_once: questions in flight.
        label: of the progress bar.

    Raises:
        DataError: none of the first answers is YES or NO.
        EngineDown: the teacher cannot be reached any more.
    """

    async def ask(question: Question) -> Answer:
        return await put(question.question_id, request(question.prompt))

    def read(question: Question, answer: Answer) -> str:
        said = judged(answer)
        return said if isinstance(said, str) else USABLE

    todo = (q for q in questions() if q.question_id not in answers.by_key)
    await ask_all(todo, total, ask, read, useless, answers, at_once, label, "questions")


def useless(reasons: Counter[str]) -> DataError:
    """The error of a teacher none of whose answers is YES or NO."""
    said = ", ".join(f"{reason} {n}" for reason, n in reasons.most_common())
    return DataError(
        f"of {reasons.total()} answers of the teacher none is YES or NO ({said})",
        "choose another teacher, raise questions.selection_tokens if they are truncated, or set "
        "questions.select=none to take all questions",
    )


def say_rate(counts: Counter[str]) -> None:
    """Say how many questions were selected, and how many answers could not be read."""
    known = counts["selected"] + counts["dropped_not_contest"]
    unread = {k: counts[f"dropped_{k}"] for k in ("not_yes_or_no", "truncated", "failed")}
    rate = counts["selected"] / max(1, known)
    listed = ", ".join(f"{n} {k}" for k, n in unread.items() if n) or "none unread"
    progress.say(f"contest problems: {counts['selected']} of {known} ({rate:.1%}); {listed}")
