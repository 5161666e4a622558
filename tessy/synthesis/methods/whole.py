"""Responses that one model writes from beginning to end."""

from __future__ import annotations

import time

from tessy.errors import EngineError
from tessy.records import Finish, Part, Span, Trajectory, Writer
from tessy.synthesis.journal import Journal
from tessy.synthesis.parts import Cast, Task, trajectory, write


async def whole(cast: Cast, task: Task, journal: Journal, writer: Writer) -> Trajectory:
    """One model thinks and answers. A response without an answer is degenerate.

    The limit holds in its own tokens while it writes, and in the student's for what it wrote.
    """
    started = time.monotonic()
    role, count = cast.roles[writer], cast.counter.count
    limit = cast.sampling.max_tokens
    dialect = role.dialect
    spans: list[Span] = []
    finish: Finish = "failed"
    generated = 0
    try:
        prompt = dialect.prompt_ids(task.messages) + dialect.open_ids
        written = await write(role, cast, task, prompt, task.seeds[writer], limit)
    except EngineError as error:
        journal.fault(task, error)
    else:
        generated, finish = written.generated, written.finish
        parts: tuple[Part, ...] = ("think", "answer")
        for part, text in zip(parts, dialect.split(written.ids), strict=True):
            if text:
                spans.append(Span(writer, part, text, count(text)))
        if finish == "complete" and not (spans and spans[-1].part == "answer"):
            finish = "degenerate"
        elif finish == "complete" and sum(s.n_tokens for s in spans) > limit:
            finish = "length"
    done = trajectory(cast, task, spans, finish, {writer: generated}, time.monotonic() - started)
    own = generated if finish != "failed" else 0
    journal.done(done, {f"{writer}_generated": generated, f"{writer}_kept_own": own})
    return done
