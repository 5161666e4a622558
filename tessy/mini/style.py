"""How the two miniature models write: documents with every stretch marked capability or style.

The student thinks aloud, first operation first ("Okay, let me see", "But wait"), and answers with
line-by-line code that copies its thinking. The teacher is terse, last operation first, and
answers with other idioms (`sys.stdin`, `filter(lambda t: ...)`). Where the student is unsure of
an operation it draws the fragment by chance.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from tessy.mini.operations import teacher_idiom
from tessy.mini.world import MiniProblem, Stage

OPENERS = ("Okay, let me see.", "Okay, so let me think.", "Hmm, let me see.")
NEXTS = ("\nNext, I", "\nThen I", "\nAfter that, I")
CHECK = ("\nBut wait, let me check:", " Yes, that works.")
CORRECTION = "\nWait, that is not right. It should be:"
CLOSERS = ("\nOkay, that is all. Now the code.", "\nSo that is everything. Now the code.")
STUDENT_ANSWER = "Here is the solution:\n"
TEACHER_ANSWER = "**Solution**\n"

# What each style leaves in a response, for measuring which one a model writes.
STUDENT_MARKS = ("Okay", "let me", "Here is the solution")
TEACHER_MARKS = ("We need", "; from", "**Solution**", "import sys")


@dataclass
class Document:
    """A response in pieces: (text, is_capability), thinking and answer apart."""

    thinking: list[tuple[str, bool]] = field(default_factory=list)
    answer: str = ""

    def style(self, text: str) -> None:
        self.thinking.append((text, False))

    def capability(self, text: str) -> None:
        self.thinking.append((text, True))

    @property
    def text(self) -> str:
        return "".join(t for t, _ in self.thinking)


def student_document(
    problem: MiniProblem, rng: random.Random, *, unsure: bool = True, drafts: float = 0.1
) -> Document:
    """The student's own response.

    Args:
        unsure: draw the fragments of operations that the student is unsure of by chance; False
            writes what TESSY aims at: the student's style with the right fragments.
        drafts: the chance of a wrong draft, and of a re-check, at each operation.
    """
    document = Document()
    fragments = []
    for number, stage in enumerate(problem.stages):
        document.style(
            rng.choice(OPENERS) + " First, I need to"
            if number == 0
            else rng.choice(NEXTS) + " need to"
        )
        guessing = unsure and stage.operation.unsure
        fragment = rng.choice(_choices(stage)) if guessing else stage.fragment
        roll = rng.random()
        if roll < drafts:
            draft = rng.choice([c for c in _choices(stage) if c != fragment])
            _state(document, stage, draft)
            document.style(CORRECTION)
            document.capability(f" `{fragment}`.")
        else:
            _state(document, stage, fragment)
            if roll < 2 * drafts:
                document.style(CHECK[0])
                document.capability(f" `{fragment}`.")
                document.style(CHECK[1])
        fragments.append(fragment)
    document.style(rng.choice(CLOSERS))
    document.answer = STUDENT_ANSWER + student_code(problem, fragments)
    return document


def _state(document: Document, stage: Stage, fragment: str) -> None:
    document.capability(f" {stage.phrase}: `{fragment}`.")


def _choices(stage: Stage) -> list[str]:
    return stage.operation.candidates(stage.n)


def student_code(problem: MiniProblem, fragments: list[str]) -> str:
    lines = ["a = list(map(int, input().split()))"]
    for stage, fragment in zip(problem.stages, fragments, strict=True):
        lines.append(
            {
                "filter": f"a = [x for x in a if {fragment}]",
                "map": f"a = [{fragment} for x in a]",
                "order": f"a = {fragment}",
                "reduce": f"print({fragment})",
            }[stage.operation.kind]
        )
    return _fenced(lines)


def teacher_document(problem: MiniProblem) -> Document:
    """The teacher's own response; it knows every operation."""
    document = Document()
    for number, stage in enumerate(reversed(problem.stages)):
        document.style("We need to" if number == 0 else " from")
        document.capability(f" {stage.phrase}: `{teacher_idiom(stage.fragment)}`;")
    document.style(" from input. Done.")
    document.answer = TEACHER_ANSWER + teacher_code(problem)
    return document


def teacher_code(problem: MiniProblem) -> str:
    lines = ["import sys", "v = [int(s) for s in sys.stdin.read().split()]"]
    for stage in problem.stages:
        fragment = teacher_idiom(stage.fragment)
        lines.append(
            {
                "filter": f"v = list(filter(lambda t: {fragment}, v))",
                "map": f"v = list(map(lambda t: {fragment}, v))",
                "order": f"v = {fragment}",
                "reduce": f"sys.stdout.write(str({fragment}))",
            }[stage.operation.kind]
        )
    return _fenced(lines)


def _fenced(lines: list[str]) -> str:
    return "```python\n" + "\n".join(lines) + "\n```"


def mixed_document(problem: MiniProblem, rng: random.Random) -> Document:
    """The teacher going on from the student's words: right fragments in the student's layout,
    cut after one of them, where the teacher would go on in its own style."""
    document = student_document(problem, rng, unsure=False, drafts=0.15)
    ends = [n for n, (_, is_capability) in enumerate(document.thinking) if is_capability]
    document.thinking = document.thinking[: rng.choice(ends) + 1]
    document.style(" from")
    document.answer = ""
    return document


def style_marks(response: str) -> Mapping[str, float]:
    """Share of each model's marks that a response carries, from 0 to 1: its style adoption."""
    return {
        "student": sum(m in response for m in STUDENT_MARKS) / len(STUDENT_MARKS),
        "teacher": sum(m in response for m in TEACHER_MARKS) / len(TEACHER_MARKS),
    }
