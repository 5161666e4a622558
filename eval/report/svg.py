"""A small SVG writer: elements as strings, everything escaped, colours left to the style sheet.

Coordinates are units of the view box; a figure scales to the width it is given. No attribute
carries CSS, so that the page's Content-Security-Policy can forbid inline styles.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

Scale = Callable[[float], float]


def tag(name: str, content: str = "", **attributes: object) -> str:
    """An element; `content` must be markup already. `cls` is class, `_` in names becomes `-`."""
    parts = [name]
    for key, value in attributes.items():
        key = "class" if key == "cls" else key.replace("_", "-")
        said = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
        parts.append(f'{key}="{escape(said, quote=True)}"')
    opening = " ".join(parts)
    return f"<{opening}>{content}</{name}>" if content else f"<{opening}/>"


def text(x: float, y: float, said: str, cls: str = "", anchor: str = "start") -> str:
    return tag("text", escape(said), x=x, y=y, cls=cls, text_anchor=anchor)


def line(x1: float, y1: float, x2: float, y2: float, cls: str) -> str:
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, cls=cls)


def rect(x: float, y: float, width: float, height: float, cls: str, title: str = "") -> str:
    return tag("rect", _title(title), x=x, y=y, width=max(width, 0.0), height=height, cls=cls)


def circle(x: float, y: float, radius: float, cls: str, title: str = "") -> str:
    return tag("circle", _title(title), cx=x, cy=y, r=radius, cls=cls)


def polyline(points: Sequence[tuple[float, float]], cls: str, title: str = "") -> str:
    return tag("polyline", _title(title), points=_points(points), cls=cls)


def figure(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    """A whole drawing; `title` is read by screen readers."""
    return tag(
        "svg",
        _title(title) + "".join(parts),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_label=title,
    )


def linear(low: float, high: float, start: float, end: float) -> Scale:
    """Map [low, high] to [start, end]."""
    return lambda value: start + (value - low) / (high - low) * (end - start)


def logarithmic(low: float, high: float, start: float, end: float) -> Scale:
    inner = linear(math.log(low), math.log(high), start, end)
    return lambda value: inner(math.log(value))


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers within [low, high], about so many."""
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def _title(said: str) -> str:
    return f"<title>{escape(said)}</title>" if said else ""


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
