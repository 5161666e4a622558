"""Teacher-Reference: self-distillation from an answer of the teacher (paper, section 4.6)."""

from __future__ import annotations

from tessy.records import Message, Trajectory
from tessy.synthesis.journal import Journal
from tessy.synthesis.methods.whole import whole
from tessy.synthesis.parts import Cast, Task, trajectory

SHOWN = """\
{question}

---

For this task you are also given a reference answer, which you may take to be right:

<reference>
{reference}
</reference>

Solve the task yourself, from the beginning, in your own way and your own words: think it through \
as you would without the reference, then write the whole final answer. Let the reference only keep \
you on the right track: where your reasoning departs from it, find out why. Whoever reads your \
response does not have the reference, so neither your thinking nor your answer may mention it."""


async def teacher_reference(cast: Cast, task: Task, journal: Journal) -> Trajectory:
    """The student, shown the answer of teacher_only's sample, writes thinking and answer.

    The messages that are stored, and trained on, are the question alone; the reference is in the
    metadata. Where the teacher did not complete its response there is no reference: the student is
    not asked, and the sample ends as the teacher's did, without a span.
    """
    source = cast.sources["teacher_only"][task.key]
    if source.finish != "complete":
        done = trajectory(cast, task, (), source.finish, {}, 0.0)
        journal.done(done, {"without_reference": 1})
        return done
    reference = source.text("answer")
    shown = SHOWN.format(question=task.question.prompt, reference=reference)
    messages = [Message("user", shown)]
    return await whole(cast, task, journal, "student", messages, {"reference": reference})
