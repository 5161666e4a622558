"""Teacher-Only: the teacher writes everything (paper, table 1)."""

from __future__ import annotations

from tessy.records import Trajectory
from tessy.synthesis.journal import Journal
from tessy.synthesis.methods.whole import whole
from tessy.synthesis.parts import Cast, Task


async def teacher_only(cast: Cast, task: Task, journal: Journal) -> Trajectory:
    return await whole(cast, task, journal, "teacher")
