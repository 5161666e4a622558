"""Figures of what the paper prints no numbers of: clouds of responses, words, losses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from eval.analysis.style import Projection, Words
from eval.report.data import Case, TrainingCurve
from eval.report.paper.look import INK, MUTED, colour, name

DASHES = ("-", "--", ":", "-.")
POINTS = 400  # of a curve; more cannot be told apart


def points(plt: Any, panels: Sequence[tuple[str, Projection]]) -> Any:
    """Figure 8: a panel a teacher; each response a point, each source's mean a large mark."""
    drawn, grid = plt.subplots(
        1, len(panels), figsize=(4.1 * len(panels), 3.7), squeeze=False, layout="constrained"
    )
    for axes, (teacher, projection) in zip(grid.flat, panels, strict=True):
        axes.grid(False)
        for place, (source, where) in enumerate(projection.points.items()):
            tint = colour(source, place)
            marker = "os^"[place % 3]
            axes.scatter(*where.T, s=7, color=tint, alpha=0.35, marker=marker, linewidths=0)
        for place, (source, centre) in enumerate(projection.centroids.items()):
            axes.scatter(
                *centre,
                s=110,
                color=colour(source, place),
                marker="os^"[place % 3],
                edgecolors=INK,
                linewidths=1.3,
                zorder=5,
                label=f"{source} (centroid)",
            )
        axes.set_title(name(teacher))
        first, second = projection.explained
        axes.set_xlabel(f"first component, {first:.0%} of the variance")
        axes.set_ylabel(f"second, {second:.0%}")
        axes.set_xticks([])
        axes.set_yticks([])
    handles, labels = grid.flat[0].get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8)
    return drawn


def words(plt: Any, found: Words) -> Any:
    """Figure 16: a row a model, a column a word; the square root of the frequency as a shade."""
    rows, columns = found.per_thousand.shape
    drawn, axes = plt.subplots(
        figsize=(2.2 + 0.36 * columns, 1.4 + 0.36 * rows), layout="constrained"
    )
    axes.grid(False)
    shades = axes.pcolormesh(
        np.sqrt(found.per_thousand), cmap="cividis_r", edgecolors="white", linewidth=0.8
    )
    axes.set_xticks(np.arange(columns) + 0.5, found.words, rotation=55, ha="right", color=INK)
    axes.set_yticks(np.arange(rows) + 0.5, [name(s) for s in found.sources], color=INK)
    axes.invert_yaxis()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = drawn.colorbar(shades, ax=axes, pad=0.01, fraction=0.03)
    ticks = [t for t in (0, 1, 5, 10, 20, 40, 80, 160) if t <= found.per_thousand.max()]
    bar.set_ticks(np.sqrt(ticks), labels=[str(t) for t in ticks])
    bar.set_label("of 1,000 tokens", color=MUTED)
    bar.outline.set_visible(False)
    return drawn


def losses(plt: Any, cases: Sequence[Case]) -> Any:
    """Figure 15: a panel a student; the mean over SFT seeds of each method's loss."""
    panels: dict[str, dict[str, list[TrainingCurve]]] = {}
    for case in cases:
        for curve in case.data.curves:
            mine = panels.setdefault(case.data.student, {})
            mine.setdefault(curve.method, []).append(curve)
    drawn, grid = plt.subplots(
        1, len(panels), figsize=(4.3 * len(panels), 3.1), squeeze=False, layout="constrained"
    )
    for axes, (student, methods) in zip(grid.flat, panels.items(), strict=True):
        for place, (method, curves) in enumerate(methods.items()):
            x, y = smooth(curves)
            axes.plot(x, y, DASHES[place % 4], color=colour(method, place), label=name(method))
        axes.set_title(name(student))
        axes.set_xlabel("optimizer step")
        axes.set_ylim(bottom=0)
    grid.flat[0].set_ylabel("loss, nats a token")
    handles, labels = grid.flat[0].get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=8)
    return drawn


def smooth(curves: Sequence[TrainingCurve]) -> tuple[Any, Any]:
    """Steps and losses: means over the trainings, then over windows so that POINTS remain."""
    by_step: dict[float, list[float]] = {}
    for curve in curves:
        for point in curve.points:
            if "loss" in point:
                by_step.setdefault(point["step"], []).append(point["loss"])
    steps = np.array(sorted(by_step))
    values = np.array([np.mean(by_step[step]) for step in steps])
    window = -(-len(steps) // POINTS)
    parts = range(0, len(steps), window)
    return (
        np.array([steps[n : n + window].mean() for n in parts]),
        np.array([values[n : n + window].mean() for n in parts]),
    )
