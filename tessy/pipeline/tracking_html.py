"""Responses as they stand in the cells of a W&B table, which shows HTML on its own.

All text here was written by models and is untrusted: it reaches the markup only through `escape`.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from html import escape
from typing import Any, TypeVar

from tessy.records import JudgedAnswer, Span, Trajectory

# Okabe and Ito's colours, which colour-blind readers can tell apart.
COLOURS = {"student": "#cfe6f5", "teacher": "#fbe3b5"}
PASSED, FAILED = "#009e73", "#d55e00"
_PRE = "white-space:pre-wrap;overflow-wrap:anywhere;font:13px/1.5 ui-monospace,monospace"

T = TypeVar("T")


def drawn(items: Iterable[T], count: int, seed: str) -> list[T]:
    """`count` of the items in their order, each as likely as any other; one pass, few in memory."""
    draw = random.Random(seed)
    kept: list[tuple[int, T]] = []
    for number, item in enumerate(items):
        if len(kept) < count:
            kept.append((number, item))
        elif (place := draw.randrange(number + 1)) < count:
            kept[place] = (number, item)
    return [item for _, item in sorted(kept, key=lambda pair: pair[0])]


def trajectory_cells(trajectory: Trajectory) -> list[Any]:
    """Its key, how it ended, its tokens, those of them by the teacher, and its text as HTML."""
    total = sum(span.n_tokens for span in trajectory.spans)
    by_teacher = sum(span.n_tokens for span in trajectory.spans if span.writer == "teacher")
    key = " ".join(f'<span style="background:{c}">{who}</span>' for who, c in COLOURS.items())
    html = [f"<p>{key}</p>"]
    for part in ("think", "answer"):
        spans = "".join(_span(span) for span in trajectory.spans if span.part == part)
        if spans:
            html.append(f'<h4>{part}</h4><pre style="{_PRE}">{spans}</pre>')
    return [*trajectory.key, trajectory.finish, total, by_teacher, "".join(html)]


def answer_cells(a: JudgedAnswer) -> list[Any]:
    """Its key, the verdict, tokens, how it ended, and the response below the verdict as HTML."""
    said = f": {escape(a.message)}" if a.message else ""
    colour = PASSED if a.passed else FAILED
    verdict = f'<b style="color:{colour}">{a.verdict.replace("_", " ")}</b>{said}'
    html = f'<p>{verdict}</p><pre style="{_PRE}">{escape(a.response)}</pre>'
    return [*a.key, a.verdict, a.passed, a.n_tokens, a.finish, html]


def _span(span: Span) -> str:
    title = f"{span.writer}, {span.n_tokens} tokens"
    style = f"background:{COLOURS[span.writer]}"
    return f'<span style="{style}" title="{title}">{escape(span.text)}</span>'
