"""Figures of numbers with the paper's beside them: bars, epochs, matrices."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from eval.report.paper.cells import Cell
from eval.report.paper.figures import Figure
from eval.report.paper.look import INK, LINE, MUTED, colour, name

PANELS_A_ROW = 4
WIDTH = 0.82  # of a group of bars, of the distance between groups


def bars(plt: Any, figure: Figure, cells: Sequence[Cell]) -> Any:
    """A panel a benchmark; ours as bars with 95 % intervals, the paper's values as diamonds."""
    panels = list(dict.fromkeys(cell.panel for cell in cells))
    names = list(dict.fromkeys(cell.bar for cell in cells))
    drawn, places = _panels(plt, panels, _width_of(cells))
    for axes, panel in zip(places, panels, strict=True):
        mine = [cell for cell in cells if cell.panel == panel]
        groups = list(dict.fromkeys(cell.group for cell in mine))
        for at, group in enumerate(groups):
            _group(axes, at, [cell for cell in mine if cell.group == group], names)
        axes.set_title(name(panel))
        axes.set_xticks(range(len(groups)), [_folded(_group_name(figure, g)) for g in groups])
        axes.tick_params(axis="x", length=0)
        axes.set_xlim(-0.6, len(groups) - 0.4)
        axes.margins(y=0.14)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    places[0].set_ylabel(figure.unit)
    _legend(plt, drawn, cells, names, "data written by" if figure.bars == "author" else None)
    return drawn


def _group_name(figure: Figure, group: str) -> str:
    return f"{int(group):,} tokens" if figure.groups == "limit" else name(group)


def _width_of(cells: Sequence[Cell]) -> float:
    """Inches of a panel, by the bars of the fullest one."""
    panels = [[c for c in cells if c.panel == panel] for panel in {c.panel for c in cells}]
    widest = max(len(panel) for panel in panels)
    groups = max(len({c.group for c in panel}) for panel in panels)
    return min(max(1.1 + 0.25 * widest, 0.7 + 1.15 * groups, 2.7), 7.0)


def _panels(
    plt: Any, panels: Sequence[str], width: float, most: int = PANELS_A_ROW
) -> tuple[Any, list[Any]]:
    columns = min(len(panels), max(1, min(most, int(14 / width))))
    rows = -(-len(panels) // columns)
    drawn, grid = plt.subplots(
        rows, columns, figsize=(width * columns, 2.9 * rows), squeeze=False, layout="constrained"
    )
    places = list(grid.flat)
    for spare in places[len(panels) :]:
        spare.set_axis_off()
    return drawn, places[: len(panels)]


def _group(axes: Any, at: int, cells: Sequence[Cell], names: Sequence[str]) -> None:
    order = sorted(cells, key=lambda cell: names.index(cell.bar))
    pitch = WIDTH / max(len(order), 3)
    labelled = all(cell.paper is None for cell in cells)  # nothing that labels could hide
    start = at - pitch * (len(order) - 1) / 2
    for n, cell in enumerate(order):
        x = start + n * pitch
        tint = colour(cell.bar, names.index(cell.bar))
        if cell.ours is not None:
            ours = cell.ours
            filled = {"color": "none", "edgecolor": tint, "hatch": "////"} if cell.hollow else {}
            axes.bar(x, ours.value, 0.84 * pitch, **({"color": tint} | filled))
            error = [[ours.value - ours.low], [ours.high - ours.value]]
            if ours.high > ours.low:
                axes.errorbar(x, ours.value, error, color=INK, elinewidth=1.1, capsize=2)
            if cell.bar == "base":
                ends = (at - WIDTH / 2, at + WIDTH / 2)
                axes.hlines(ours.value, *ends, color=tint, linestyle=(0, (4, 3)), linewidth=1)
            if labelled:
                axes.annotate(
                    f"{ours.value:,.0f}" if ours.value >= 1000 else f"{ours.value:.1f}",
                    (x, ours.high),
                    xytext=(0, 3),
                    textcoords="offset points",
                    ha="center",
                    fontsize=7,
                    color=MUTED,
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.85},
                )
        elif cell.paper is not None:
            axes.bar(
                x,
                cell.paper,
                0.84 * pitch,
                fill=False,
                edgecolor=tint,
                linestyle=":",
                linewidth=1.1,
            )
        if cell.paper is not None:
            axes.plot(
                x, cell.paper, "D", color="white", markeredgecolor=INK, markersize=4.2, zorder=5
            )


def _legend(
    plt: Any,
    drawn: Any,
    cells: Sequence[Cell],
    names: Sequence[str],
    title: str | None = None,
) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Patch(color=colour(key, n), label=name(key)) for n, key in enumerate(names)
    ]
    if any(cell.paper is not None for cell in cells):
        handles.append(
            Line2D(
                *([], []),
                marker="D",
                linestyle="",
                color="white",
                markeredgecolor=INK,
                markersize=5,
                label="the paper's value",
            )
        )
    if any(cell.ours is None for cell in cells):
        handles.append(Patch(fill=False, edgecolor=MUTED, linestyle=":", label="not measured here"))
    if any(cell.hollow for cell in cells):
        said = "too little data to tell"
        handles.append(Patch(facecolor="none", edgecolor=MUTED, hatch="////", label=said))
    columns = min(len(handles), max(2, int(drawn.get_size_inches()[0] / 1.7)))
    drawn.legend(
        handles=handles, title=title, loc="outside lower center", ncols=columns, fontsize=8
    )


def epochs(plt: Any, figure: Figure, cells: Sequence[Cell]) -> Any:
    """Figure 11: pass@1 against the epoch, ours with a band, the paper's as diamonds."""
    panels = list(dict.fromkeys(cell.panel for cell in cells))
    drawn, places = _panels(plt, panels, 3.6)
    for axes, panel in zip(places, panels, strict=True):
        mine = sorted((c for c in cells if c.panel == panel), key=lambda c: int(c.bar))
        ours = [(int(c.bar), c.ours) for c in mine if c.ours is not None]
        if ours:
            x = [epoch for epoch, _ in ours]
            tint = colour("tessy", 0)
            axes.fill_between(
                x, [o.low for _, o in ours], [o.high for _, o in ours], color=tint, alpha=0.18, lw=0
            )
            axes.plot(x, [o.value for _, o in ours], "-o", color=tint, markersize=4)
        printed = [(int(c.bar), c.paper) for c in mine if c.paper is not None]
        if printed:
            axes.plot(
                *zip(*printed, strict=True),
                linestyle=":",
                marker="D",
                color=MUTED,
                markerfacecolor="white",
                markeredgecolor=INK,
                markersize=4.2,
            )
        axes.set_title(name(panel))
        axes.set_xlabel("epoch")
        axes.set_xticks(sorted({int(c.bar) for c in mine}))
        axes.margins(y=0.15)
        axes.set_ylim(bottom=0)
    places[0].set_ylabel(figure.unit)
    _legend(plt, drawn, cells, ["tessy"])
    return drawn


def matrices(plt: Any, figure: Figure, cells: Sequence[Cell]) -> Any:
    """Figure 14: a matrix a panel; ours above, the paper's in parentheses."""
    panels = list(dict.fromkeys(cell.panel for cell in cells))
    drawn, places = _panels(plt, panels, 4.6, 2)
    measured = [c.ours.value for c in cells if c.ours] + [c.paper for c in cells if c.paper]
    low = min(measured)
    for axes, panel in zip(places, panels, strict=True):
        mine = [cell for cell in cells if cell.panel == panel]
        models = list(dict.fromkeys(m for c in mine for m in (c.group, c.bar)))
        axes.grid(False)
        for cell in mine:
            row, column = sorted((models.index(cell.group), models.index(cell.bar)), reverse=True)
            value = cell.ours.value if cell.ours else cell.paper or 0.0
            strength = (value - low) / max(1 - low, 1e-9)
            shade = plt.get_cmap("cividis_r")(0.08 + 0.8 * strength)
            axes.add_patch(
                plt.Rectangle(
                    (column - 0.48, row - 0.48),
                    *(0.96, 0.96),
                    facecolor=shade if cell.ours else "none",
                    edgecolor=LINE if cell.ours else MUTED,
                    linestyle="-" if cell.ours else ":",
                )
            )
            lines = [f"{cell.ours.value:.3f}"] if cell.ours else ["not\nmeasured"]
            lines += [f"({cell.paper:.3f})"] if cell.paper is not None else []
            ink = "white" if cell.ours and strength > 0.55 else INK
            axes.text(
                column, row, "\n".join(lines), ha="center", va="center", fontsize=8, color=ink
            )
        size = len(models)
        axes.set_xlim(-0.5, size - 1.5)
        axes.set_ylim(size - 0.5, 0.5)
        axes.set_xticks(range(size - 1), [_folded(name(m)) for m in models[:-1]], fontsize=7)
        axes.set_yticks(range(1, size), [_folded(name(m)) for m in models[1:]], fontsize=7)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_title(name(panel))
    return drawn


def _folded(text: str, width: int = 14) -> str:
    """A long name on several lines, broken behind its hyphens."""
    lines = [""]
    for part in re.findall(r"[^- ]+[- ]?", text):
        if len(lines[-1]) + len(part) > width and lines[-1]:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)
