"""Teacher-Mix: responses of teacher and student, mixed 1:1 (paper, table 1)."""

from __future__ import annotations

import dataclasses

from tessy.config import MethodKind
from tessy.records import Trajectory
from tessy.synthesis.journal import Journal
from tessy.synthesis.parts import Cast, Task, trajectory


async def teacher_mix(cast: Cast, task: Task, journal: Journal) -> Trajectory:
    """One sample of teacher_only or of student_only, as it is; nothing is generated.

    The samples in an order that the seed shuffles are taken from teacher_only and student_only in
    turn, so of an odd number one more is the teacher's. A sample that did not complete stays in
    the mix, as the method that made it has it.
    """
    parent: MethodKind = "student_only" if cast.places[task.key] % 2 else "teacher_only"
    source = cast.sources[parent][task.key]
    taken = trajectory(
        cast, task, source.spans, source.finish, {}, 0.0, source.spans, {"from": parent}
    )
    done = dataclasses.replace(taken, seeds=source.seeds, versions=source.versions)
    journal.done(done, {f"from_{parent}": 1})
    return done
