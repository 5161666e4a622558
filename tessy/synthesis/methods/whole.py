"""Responses that one model writes from beginning to end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tessy.errors import EngineError
from tessy.records import Finish, Message, Part, Record, Span, Trajectory, Writer
from tessy.synthesis.journal import Journal
from tessy.synthesis.parts import Cast, Task, trajectory, write


@dataclass(frozen=True)
class Response(Record):
    """What one model wrote as a whole response."""

    spans: tuple[Span, ...]
    finish: Finish
    generated: int  # tokens in its own tokenizer


async def whole(
    cast: Cast,
    task: Task,
    journal: Journal,
    writer: Writer,
    messages: Sequence[Message] = (),
    metadata: Mapping[str, Any] | None = None,
) -> Trajectory:
    """One model thinks and answers.

    Args:
        messages: what it is shown, if it is not the question alone, which is stored in any case.
        metadata: as in the record.
    """
    started = time.monotonic()
    response = await respond(cast, task, journal, writer, messages, task.seeds[writer])
    seconds, generated = time.monotonic() - started, response.generated
    done = trajectory(
        cast,
        task,
        response.spans,
        response.finish,
        {writer: generated},
        seconds,
        metadata=metadata,
    )
    journal.done(done, {f"{writer}_generated": generated, f"{writer}_kept_own": generated})
    return done


async def respond(
    cast: Cast, task: Task, journal: Journal, writer: Writer, messages: Sequence[Message], seed: int
) -> Response:
    """Thinking and answer of one model; without an answer the response is degenerate.

    The limit holds in its own tokens while it writes, and in the student's for what it wrote. A
    fault of the engine is noted, and the response has failed.
    """
    dialect, limit = cast.roles[writer].dialect, cast.sampling.max_tokens
    prompt = dialect.prompt_ids(messages or task.messages) + dialect.open_ids
    try:
        written = await write(cast.roles[writer], cast, task, prompt, seed, limit)
    except EngineError as error:
        journal.fault(task, error)
        return Response((), "failed", 0)
    finish, spans = written.finish, []
    parts: tuple[Part, ...] = ("think", "answer")
    for part, text in zip(parts, dialect.split(written.ids), strict=True):
        if text:
            spans.append(Span(writer, part, text, cast.counter.count(text)))
    if finish == "complete" and not (spans and spans[-1].part == "answer"):
        finish = "degenerate"
    elif finish == "complete" and sum(s.n_tokens for s in spans) > limit:
        finish = "length"
    return Response(tuple(spans), finish, written.generated)
