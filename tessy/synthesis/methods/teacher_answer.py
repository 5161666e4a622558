"""Teacher-Answer: the student thinks, the teacher answers (paper, table 1)."""

from __future__ import annotations

from tessy.records import Trajectory
from tessy.synthesis.journal import Journal
from tessy.synthesis.methods.answer import answered
from tessy.synthesis.parts import Cast, Task


async def teacher_answer(cast: Cast, task: Task, journal: Journal) -> Trajectory:
    """The thinking is that of student_only's sample; see `answered`."""
    return await answered(cast, task, journal, "student_only", "teacher")
