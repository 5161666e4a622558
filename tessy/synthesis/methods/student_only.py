"""Student-Only: the student writes everything; the reference distribution (paper, fig. 12)."""

from __future__ import annotations

from tessy.records import Trajectory
from tessy.synthesis.journal import Journal
from tessy.synthesis.methods.whole import whole
from tessy.synthesis.parts import Cast, Task


async def student_only(cast: Cast, task: Task, journal: Journal) -> Trajectory:
    return await whole(cast, task, journal, "student")
