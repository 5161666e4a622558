"""TESSY: both write the thinking in turn, then one of them answers (paper, algorithm 1)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from tessy.errors import EngineError
from tessy.records import Finish, Span, Trajectory, Writer
from tessy.synthesis.cooperate import Accepted, Cooperation, End
from tessy.synthesis.journal import Journal
from tessy.synthesis.parts import Cast, Task, trajectory, write

_FINISH: dict[End, Finish] = {
    "closed": "complete",
    "cut": "degenerate",
    "length": "length",
    "degenerate": "degenerate",
}


async def tessy(cast: Cast, task: Task, journal: Journal) -> Trajectory:
    """One sample, from wherever an earlier run left it.

    Thinking that is closed before it holds a word is degenerate, and so is a sample without an
    answer: neither would teach anything.
    """
    started = time.monotonic()
    earlier = journal.spans.get(task.key, [])
    work = Cooperation(cast, task, lambda span: journal.span(task, span), earlier)
    counts: Counter[str] = Counter()
    spans: list[Span] = []
    try:
        finish = _FINISH[await work.run()]
        spans = thinking_spans(cast, work.spans)
        if finish == "complete" and not spans:
            counts["empty_thinking"] += 1
            finish = "degenerate"
        if finish == "complete":
            answer, finish = await _answer(cast, task, spans, counts)
            spans += answer
    except EngineError as error:
        journal.fault(task, error)
        finish, spans = "failed", thinking_spans(cast, work.spans)
    counts.update(work.counts)
    generated: dict[str, int] = {writer: counts[f"{writer}_generated"] for writer in cast.roles}
    done = trajectory(cast, task, spans, finish, generated, time.monotonic() - started)
    journal.done(done, counts)
    return done


def thinking_spans(cast: Cast, accepted: Sequence[Accepted]) -> list[Span]:
    """Accepted spans as they are stored: writers alternate, no padding at either end."""
    merged: list[tuple[Writer, str]] = []
    for span in accepted:
        if merged and merged[-1][0] == span.writer:
            merged[-1] = span.writer, merged[-1][1] + span.text
        else:
            merged.append((span.writer, span.text))
    if cast.counter.padding:
        while merged and not (text := merged[0][1].lstrip("\n")):
            merged.pop(0)
        if merged:
            merged[0] = merged[0][0], text
        while merged and not (text := merged[-1][1].rstrip("\n")):
            merged.pop()
        if merged:
            merged[-1] = merged[-1][0], text
    return [Span(w, "think", text, cast.counter.count(text)) for w, text in merged if text]


async def _answer(
    cast: Cast, task: Task, thinking: Sequence[Span], counts: Counter[str]
) -> tuple[list[Span], Finish]:
    """The final answer from the closed thinking, all of it by one model."""
    writer = cast.method.final_answer
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
