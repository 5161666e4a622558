"""Figures of the data and of training: who wrote how many tokens, and the SFT loss."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from eval.report import svg
from eval.report.charts import EDGE, WIDTH, colour, name
from eval.report.data import ReportData, TrainingCurve
from eval.report.rows import method_order, teacher_share, writer_tokens
from eval.report.tables import share

Points = list[tuple[float, float]]


def tokens(data: ReportData) -> str:
    """Mean tokens a sample of each method's data, by writer and part."""
    methods = method_order(d.method for d in data.datasets)
    written = {method: writer_tokens(data, method) for method in methods}
    longest = max(sum(parts.values()) for parts in written.values())
    x = svg.linear(0, max(longest, 1.0) * 1.02, EDGE, WIDTH - EDGE)
    pitch, top = 54, 8
    height = top + pitch * len(methods) + 26
    parts = []
    for value in svg.ticks(0, max(longest, 1.0)):
        parts.append(svg.line(x(value), top, x(value), height - 24, "grid"))
        parts.append(svg.text(x(value), height - 8, f"{value:,.0f}", "tick", "middle"))
    for index, method in enumerate(methods):
        y = top + pitch * index
        total = sum(written[method].values())
        said = f"{total:,.0f} tokens, teacher {share(teacher_share(data, method))}"
        parts.append(svg.text(EDGE, y + 16, name(method), "label"))
        parts.append(svg.text(WIDTH - EDGE, y + 16, said, "value", "end"))
        start = 0.0
        for (writer, part), count in written[method].items():
            if count:
                title = f"{name(method)}: {writer}, {part}: {count:,.1f} tokens"
                width = x(start + count) - x(start)
                parts.append(svg.rect(x(start), y + 23, width, 20, f"w-{writer} {part}", title))
                start += count
    return svg.figure(WIDTH, height, "Mean tokens a sample by writer", parts)


def loss(curves: Sequence[TrainingCurve]) -> str:
    """SFT loss by step: a thin line for each training, a thick one for a method's mean."""
    drawn = [(c.method, [(p["step"], p["loss"]) for p in c.points if "loss" in p]) for c in curves]
    every = [point for _, line in drawn for point in line]
    first, last = min(p[0] for p in every), max(p[0] for p in every)
    highest = max(p[1] for p in every)
    height, bottom, left = 300, 252, 44
    x = svg.linear(first, max(last, first + 1), left, WIDTH - EDGE)
    y = svg.linear(0, highest * 1.05 or 1.0, bottom, 12)
    parts = []
    for value in svg.ticks(0, highest * 1.05 or 1.0):
        parts.append(svg.line(left, y(value), WIDTH - EDGE, y(value), "grid"))
        parts.append(svg.text(left - 8, y(value) + 4, f"{value:g}", "tick", "end"))
    for value in svg.ticks(first, max(last, first + 1)):
        parts.append(svg.text(x(value), bottom + 18, f"{value:,.0f}", "tick", "middle"))
    parts.append(svg.text((left + WIDTH) / 2, bottom + 38, "optimizer step", "tick", "middle"))
    for thick in (False, True):
        for method in method_order(m for m, _ in drawn):
            lines = [line for m, line in drawn if m == method]
            for line in [_mean(lines)] if thick else lines:
                at = [(x(step), y(value)) for step, value in line]
                cls = f"curve {'' if thick else 'thin '}{colour(method)}"
                parts.append(svg.polyline(at, cls, name(method)))
    return svg.figure(WIDTH, height, "SFT loss by optimizer step", parts)


def _mean(lines: Sequence[Points]) -> Points:
    """Mean over the trainings that have a step."""
    by_step: dict[float, list[float]] = defaultdict(list)
    for line in lines:
        for step, value in line:
            by_step[step].append(value)
    return [(step, sum(v) / len(v)) for step, v in sorted(by_step.items())]
