"""Teacher-Think: the teacher thinks, the student answers (paper, table 1)."""

from __future__ import annotations

from tessy.records import Trajectory
from tessy.synthesis.journal import Journal
from tessy.synthesis.methods.answer import answered
from tessy.synthesis.parts import Cast, Task


async def teacher_think(cast: Cast, task: Task, journal: Journal) -> Trajectory:
    """The thinking is that of teacher_only's sample; see `answered`."""
    return await answered(cast, task, journal, "teacher_only", "student")
