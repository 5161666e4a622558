"""Trajectories in full: TESSY's spans coloured by writer, beside both models' own answers.

All text here was written by models and is untrusted: it reaches the page only through `escape`.
"""

from __future__ import annotations

import heapq
from html import escape

from eval.report.charts import colour, name
from eval.report.data import DataSet, ReportData
from tessy.records import Span, Trajectory

BESIDE = ("student_only", "teacher_only")


def examples(data: ReportData, count: int) -> str:
    """Markup for `count` questions; empty where no data was synthesized with tessy.

    They are taken in the order of their ids, the first of every world in turn, completed samples
    first; never by how well they came out.
    """
    chosen = _choose(data, count)
    return "".join(_example(number, shown) for number, shown in enumerate(chosen, 1))


def _choose(data: ReportData, count: int) -> list[list[Trajectory]]:
    """For each example the trajectories to show side by side, TESSY's first."""
    queues = []
    for tessy in (d for d in data.datasets if d.method == "tessy"):
        first = heapq.nsmallest(
            count, tessy.trajectories, key=lambda t: (t.finish != "complete", t.key)
        )
        keys = {t.key for t in first}
        others = [_by_key(d, keys) for d in _beside(data, tessy.world)]
        queues.append([[t, *(o[t.key] for o in others if t.key in o)] for t in first])
    turns = [queue[turn] for turn in range(count) for queue in queues if turn < len(queue)]
    return turns[:count]


def _beside(data: ReportData, world: int) -> list[DataSet]:
    return [d for method in BESIDE for d in data.datasets if (d.method, d.world) == (method, world)]


def _by_key(dataset: DataSet, keys: set[tuple[str, int]]) -> dict[tuple[str, int], Trajectory]:
    return {t.key: t for t in dataset.trajectories if t.key in keys}


def _example(number: int, shown: list[Trajectory]) -> str:
    prompt = "\n\n".join(m.content for m in shown[0].messages if m.role == "user")
    columns = "".join(_column(trajectory) for trajectory in shown)
    return (
        f'<details class="example"{" open" if number == 1 else ""}>'
        f"<summary>Question {number} <code>{escape(shown[0].question_id)}</code></summary>"
        f'<pre class="prompt">{escape(prompt)}</pre>'
        f'<div class="columns n{len(shown)}">{columns}</div></details>'
    )


def _column(trajectory: Trajectory) -> str:
    total = sum(span.n_tokens for span in trajectory.spans)
    by_teacher = sum(s.n_tokens for s in trajectory.spans if s.writer == "teacher")
    ended = "" if trajectory.finish == "complete" else f", ended by {escape(trajectory.finish)}"
    said = f"{total:,} tokens, {by_teacher:,} by the teacher{ended}"
    parts = []
    for part, title in (("think", "Thinking"), ("answer", "Answer")):
        spans = "".join(_span(span) for span in trajectory.spans if span.part == part)
        if spans:
            parts.append(f'<h5>{title}</h5><pre class="trajectory">{spans}</pre>')
    return (
        f'<article><h4 class="{colour(trajectory.method)}">{escape(name(trajectory.method))}</h4>'
        f'<p class="small">{said}</p>{"".join(parts)}</article>'
    )


def _span(span: Span) -> str:
    title = f"{span.writer}, {span.n_tokens} tokens"
    return f'<span class="{span.writer}" title="{title}">{escape(span.text)}</span>'
