"""TESSY: both write the thinking in turn, then one of them answers (paper, algorithm 1)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from tessy.errors import EngineError
from tessy.records import Finish, Span, Trajectory, Writer
from tessy.synthesis.cooperate import Accepted, Cooperation, End
from tessy.synthesis.journal import Journal
from tessy.synthesis.methods.answer import final_answer
from tessy.synthesis.parts import Cast, Task, trajectory

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
            writer = cast.method.final_answer
            answer, finish = await final_answer(cast, task, writer, spans, counts)
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
