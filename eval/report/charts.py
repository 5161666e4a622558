"""Figures of scores: pass@1, differences, the learning-rate dial, style adoption.

All are drawn on a narrow view box with the label above each mark, so that the same drawing reads
on a phone and on a slide.
"""

from __future__ import annotations

from collections.abc import Sequence

from eval.report import svg
from eval.report.rows import Difference, Row, method_order
from eval.report.tables import percent, points, rate, rate_suffix, share
from eval.score import Estimate

WIDTH, EDGE = 440, 14
NAMES = {
    "base": "Base model",
    "student_only": "Student-Only",
    "teacher_only": "Teacher-Only",
    "tessy": "TESSY",
}


def name(method: str) -> str:
    """A method as the paper writes it."""
    return NAMES.get(method, method.replace("_", "-").title())


def colour(method: str) -> str:
    """The class that colours a method; other methods share a few colours by their name."""
    return f"m-{method}" if method in NAMES else f"m-other{sum(method.encode()) % 3}"


def scores(rows: Sequence[Row]) -> str:
    """pass@1 as bars with 95 % intervals and a dot for each trained model."""
    x = svg.linear(0, _ceiling([r.score.high for r in rows]), EDGE, WIDTH - EDGE)
    pitch, top = 50, 8
    height = top + pitch * len(rows) + 26
    parts = _axis(x, top, height - 24, percents=True)
    for index, row in enumerate(rows):
        y = top + pitch * index
        label = name(row.method) + rate_suffix(row.learning_rate)
        parts += _labels(y, label, percent(row.score))
        said = f"{label}: {percent(row.score)}"
        width = x(row.score.value) - x(0)
        parts.append(svg.rect(x(0), y + 22, width, 18, f"bar {colour(row.method)}", said))
        if len(row.seed_scores) > 1:
            parts += [svg.circle(x(s), y + 36, 2.2, "seed") for s in row.seed_scores]
        parts += _whisker(x, row.score, y + 28, "whisker")
    return svg.figure(WIDTH, height, "pass@1 with 95 % intervals", parts)


def forest(rows: Sequence[Row], differences: Sequence[Difference]) -> str:
    """Paired differences with 95 % intervals around a zero line."""
    lines = [
        (name(r.method) + " − base" + rate_suffix(r.learning_rate), r.delta_vs_base, r.method)
        for r in rows
        if r.delta_vs_base is not None
    ] + [
        (
            f"{name(d.method)} − {name(d.against)}" + rate_suffix(d.learning_rate),
            d.difference,
            d.method,
        )
        for d in differences
    ]
    low = min(0.0, *(delta.low for _, delta, _ in lines)) - 0.03
    high = max(0.0, *(delta.high for _, delta, _ in lines)) + 0.03
    x = svg.linear(low, high, EDGE, WIDTH - EDGE)
    pitch, top = 44, 8
    height = top + pitch * len(lines) + 26
    parts = _axis(x, top, height - 24, percents=True, low=low, high=high, signed=True)
    parts.append(svg.line(x(0), top, x(0), height - 24, "zero"))
    for index, (label, delta, method) in enumerate(lines):
        y = top + pitch * index
        parts += _labels(y, label, points(delta))
        parts += _whisker(x, delta, y + 29, f"interval {colour(method)}")
        shown = f"{label}: {points(delta)}"
        parts.append(svg.rect(x(delta.value) - 5, y + 24, 10, 10, f"point {colour(method)}", shown))
    return svg.figure(WIDTH, height, "Paired differences in pass@1 with 95 % intervals", parts)


def dial(rows: Sequence[Row]) -> str:
    """pass@1 against the SFT learning rate, one line a method, the base model as a band."""
    rates, trained = _dial_rates(rows)
    height, bottom = 300, 252
    y = svg.linear(0, _ceiling([r.score.high for r in rows]), bottom, 12)
    x = _dial_scale(rates)
    parts = _dial_axes(x, y, rates, bottom)
    for base in [r for r in rows if r.learning_rate is None]:
        low, high = y(base.score.low), y(base.score.high)
        width = WIDTH - 44 - EDGE
        parts.append(svg.rect(44, high, width, low - high, "band m-base", percent(base.score)))
        parts.append(
            svg.line(44, y(base.score.value), WIDTH - EDGE, y(base.score.value), "baseline")
        )
    methods = method_order(r.method for r in trained)
    for index, method in enumerate(methods):
        shift = 5.0 * (index - (len(methods) - 1) / 2)  # so that intervals do not hide each other
        mine = [r for r in trained if r.method == method]
        at = [(x(r.learning_rate or 0) + shift, y(r.score.value)) for r in mine]
        parts.append(svg.polyline(at, f"curve {colour(method)}"))
        for row, (across, up) in zip(mine, at, strict=True):
            low, high = y(row.score.low), y(row.score.high)
            parts.append(svg.line(across, low, across, high, f"interval {colour(method)}"))
            said = f"{name(method)}{rate_suffix(row.learning_rate)}: {percent(row.score)}"
            parts.append(svg.circle(across, up, 4.5, f"point {colour(method)}", said))
    return svg.figure(WIDTH, height, "pass@1 against the SFT learning rate", parts)


def dial_style(rows: Sequence[Row]) -> str:
    """Share of answers in the teacher's style against the SFT learning rate."""
    rates, trained = _dial_rates(rows)
    height, bottom = 300, 252
    y = svg.linear(0, 1, bottom, 12)
    x = _dial_scale(rates)
    parts = _dial_axes(x, y, rates, bottom)
    for method in method_order(r.method for r in trained):
        for writer, cls in (("teacher", "curve"), ("student", "curve dashed")):
            at = [
                (x(r.learning_rate or 0), y(value))
                for r in trained
                if r.method == method
                and (value := r.style_teacher if writer == "teacher" else r.style_student)
                is not None
            ]
            said = f"{name(method)}, {writer}'s style"
            parts.append(svg.polyline(at, f"{cls} {colour(method)}", said))
            parts += [svg.circle(*p, 3.5, f"point {colour(method)}", said) for p in at]
    return svg.figure(WIDTH, height, "Style adoption against the SFT learning rate", parts)


def style(rows: Sequence[Row]) -> str:
    """Share of answers in the student's and in the teacher's style, for each model."""
    shown = [r for r in rows if r.style_student is not None or r.style_teacher is not None]
    x = svg.linear(0, 1, EDGE, WIDTH - EDGE)
    pitch, top = 58, 8
    height = top + pitch * len(shown) + 26
    parts = _axis(x, top, height - 24, percents=True, high=1.0)
    for index, row in enumerate(shown):
        y = top + pitch * index
        said = f"student {share(row.style_student)} · teacher {share(row.style_teacher)}"
        label = name(row.method) + rate_suffix(row.learning_rate)
        parts += _labels(y, label, said)
        for offset, writer, value in (
            (22, "student", row.style_student),
            (35, "teacher", row.style_teacher),
        ):
            if value is not None:
                width = max(x(value) - x(0), 1.5)
                title = f"{label}: {share(value)} in the {writer}'s style"
                parts.append(svg.rect(x(0), y + offset, width, 11, f"w-{writer}", title))
    return svg.figure(WIDTH, height, "Style adoption of the evaluated models", parts)


def _labels(y: float, left: str, right: str) -> list[str]:
    return [
        svg.text(EDGE, y + 16, left, "label"),
        svg.text(WIDTH - EDGE, y + 16, right, "value", "end"),
    ]


def _whisker(x: svg.Scale, estimate: Estimate, y: float, cls: str) -> list[str]:
    low, high = x(estimate.low), x(estimate.high)
    return [svg.line(low, y, high, y, cls)] + [
        svg.line(end, y - 4, end, y + 4, cls) for end in (low, high)
    ]


def _axis(
    x: svg.Scale,
    top: float,
    bottom: float,
    percents: bool,
    low: float = 0.0,
    high: float | None = None,
    signed: bool = False,
) -> list[str]:
    """Vertical grid lines with labels below."""
    parts = []
    end = high if high is not None else _value_at(x, WIDTH - EDGE)
    for value in svg.ticks(low, end):
        said = f"{100 * value:+.0f}" if signed and value else f"{100 * value:.0f}"
        said = said if percents else f"{value:g}"
        parts.append(svg.line(x(value), top, x(value), bottom, "grid"))
        parts.append(svg.text(x(value), bottom + 16, said, "tick", "middle"))
    return parts


def _value_at(x: svg.Scale, position: float) -> float:
    """Invert a linear scale."""
    return (position - x(0)) / (x(1) - x(0))


def _ceiling(highs: Sequence[float]) -> float:
    return min(1.0, max(0.1, *highs) * 1.06)


def _dial_rates(rows: Sequence[Row]) -> tuple[list[float], list[Row]]:
    trained = [r for r in rows if r.learning_rate is not None]
    return sorted({r.learning_rate for r in trained if r.learning_rate is not None}), trained


def _dial_scale(rates: Sequence[float]) -> svg.Scale:
    return svg.logarithmic(rates[0] * 0.8, rates[-1] * 1.25, 44, WIDTH - EDGE)


def _dial_axes(x: svg.Scale, y: svg.Scale, rates: Sequence[float], bottom: float) -> list[str]:
    parts = []
    top = _value_at(y, 12)
    for value in svg.ticks(0, top):
        parts.append(svg.line(44, y(value), WIDTH - EDGE, y(value), "grid"))
        parts.append(svg.text(36, y(value) + 4, f"{100 * value:.0f}", "tick", "end"))
    for value in rates:
        parts.append(svg.line(x(value), bottom, x(value), bottom + 5, "axis"))
        parts.append(svg.text(x(value), bottom + 20, rate(value), "tick", "middle"))
    parts.append(
        svg.text((44 + WIDTH) / 2, bottom + 40, "SFT learning rate (log)", "tick", "middle")
    )
    return parts
