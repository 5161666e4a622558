"""Answers to thinking that is closed, whoever wrote it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from tessy.config import MethodKind
from tessy.errors import EngineError
from tessy.records import Finish, Span, Trajectory, Writer
from tessy.synthesis.journal import Journal
from tessy.synthesis.parts import Cast, Task, trajectory, write


async def answered(
    cast: Cast, task: Task, journal: Journal, parent: MethodKind, writer: Writer
) -> Trajectory:
    """The thinking of another method's sample, byte for byte, and an answer to it by `writer`.

    If the other sample has an answer, its thinking is closed, however that answer ended. If it
    has none, none is asked for here: the sample keeps its thinking and ends in the same way.
    """
    started = time.monotonic()
    source = cast.sources[parent][task.key]
    thinking = [span for span in source.spans if span.part == "think"]
    counts: Counter[str] = Counter()
    answer: list[Span] = []
    finish = source.finish
    if source.text("answer"):
        try:
            answer, finish = await final_answer(cast, task, writer, thinking, counts)
        except EngineError as error:
            journal.fault(task, error)
            finish = "failed"
    generated: dict[str, int] = {writer: counts[f"{writer}_generated"]}
    seconds = time.monotonic() - started
    done = trajectory(cast, task, thinking + answer, finish, generated, seconds, thinking)
    journal.done(done, counts)
    return done


async def final_answer(
    cast: Cast, task: Task, writer: Writer, thinking: Sequence[Span], counts: Counter[str]
) -> tuple[list[Span], Finish]:
    """The final answer from the closed thinking, all of it by one model.

    Raises:
        EngineError: as `Engine.stream`.
    """
    role = cast.roles[writer]
    closed = role.dialect.thinking_ids("".join(s.text for s in thinking))
    limit = cast.sampling.max_tokens - sum(s.n_tokens for s in thinking)
    prompt = role.dialect.prompt_ids(task.messages) + closed
    if min(limit, role.model.context - len(prompt)) < 1:
        return [], "length"
    written = await write(role, cast, task, prompt, task.seeds["answer"], limit)
    counts[f"{writer}_generated"] += written.generated
    counts[f"{writer}_kept_own"] += written.generated
    text = role.dialect.split([*closed, *written.ids])[1]
    if not text:
        return [], "degenerate" if written.finish == "complete" else written.finish
    span = Span(writer, "answer", text, cast.counter.count(text))
    if written.finish == "complete" and span.n_tokens > limit:
        return [span], "length"
    return [span], written.finish
