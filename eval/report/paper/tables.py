"""The numbers of a figure as Markdown, LaTeX, CSV and JSON: the same everywhere."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from typing import Any

from eval.report.paper.cells import Cell, prominent
from eval.report.paper.figures import Figure, number
from eval.report.paper.look import name
from eval.report.tables import NOTHING, markdown_table
from eval.score import Estimate

TITLES = ["panel", "group", "what", "ours [95 %]", "paper", "ours - paper [95 %]", "stands on"]
ASIDE = "Intervals of differences take the paper's value as exact: it prints no interval."
MARK = "†"  # of a number that says nothing about its method; the reason is among the missing
_TEX = {
    "\\": r"\textbackslash{}",
    **{char: f"\\{char}" for char in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    "−": "$-$",
    MARK: r"\dag{}",
}


def printed(figure: Figure, cells: Sequence[Cell]) -> list[list[str]]:
    """A line a cell, as people read them, under TITLES."""
    return [
        [
            name(cell.panel),
            name(cell.group),
            name(cell.bar),
            _ours(figure, cell),
            value(figure, cell.paper),
            said(figure, cell.difference, signed=True),
            cell.note,
        ]
        for cell in cells
    ]


def said(
    figure: Figure, estimate: Estimate | None, signed: bool = False, digits: int | None = None
) -> str:
    """A number with its interval; a star where a difference is decided."""
    if estimate is None:
        return NOTHING
    sign = "+" if signed else ""
    middle = value(figure, estimate.value, sign, digits)
    if estimate.low == estimate.high:
        return middle
    low, high = (value(figure, bound, sign, digits) for bound in (estimate.low, estimate.high))
    return f"{middle} [{low}, {high}]" + ("*" if signed and estimate.decided else "")


def _ours(figure: Figure, cell: Cell, digits: int | None = None) -> str:
    return said(figure, cell.ours, digits=digits) + (f" {MARK}" if cell.hollow else "")


def value(figure: Figure, number: float | None, sign: str = "", digits: int | None = None) -> str:
    """With so many digits, or as many as the paper prints."""
    if number is None:
        return NOTHING
    if digits is None:
        digits = {"tokens": 0, "similarity": 3, "shares": 1}.get(figure.kind, 2)
    return f"{number:{sign},.{digits}f}"


def wide(figure: Figure, cells: Sequence[Cell]) -> tuple[list[str], list[list[str]]]:
    """Titles and lines with a column a panel, as the paper sets its tables: ours (paper's).

    Where ours are of other models than the paper's, only ours.
    """
    shown = prominent(cells)
    panels = list(dict.fromkeys(cell.panel for cell in shown))
    lines = dict.fromkeys((cell.group, cell.bar) for cell in shown)
    found = {cell.place: cell for cell in shown}
    many = len({group for group, _ in lines}) > 1
    short = 1 if figure.kind == "scores" else None  # its interval makes more digits pointless
    rows = []
    for group, bar in lines:
        row = [f"{name(group)}: {name(bar)}" if many else name(bar)]
        for panel in panels:
            cell = found.get((panel, group, bar))
            paper = "" if cell is None or cell.paper is None else f" ({value(figure, cell.paper)})"
            row.append(NOTHING if cell is None else _ours(figure, cell, short) + paper)
        rows.append(row)
    return ["", *map(name, panels)], rows


def to_markdown(figure: Figure, cells: Sequence[Cell], notes: Sequence[str]) -> str:
    """What was measured, in parentheses what the paper reports; then each difference."""
    lines = [f"# {number(figure.key)}. {figure.title}", "", f"{figure.unit}; (paper)", ""]
    if cells:
        lines += [*markdown_table(*wide(figure, cells)), ""]
        lines += [*markdown_table(TITLES, printed(figure, cells)), "", ASIDE]
    return "\n".join([*lines, *notes, ""])


def to_latex(figure: Figure, cells: Sequence[Cell]) -> str:
    """A floating table in booktabs' style."""
    titles, rows = wide(figure, cells)
    head = " & ".join(map(tex, titles))
    body = "\n".join("    " + " & ".join(map(tex, row)) + r" \\" for row in rows)
    caption = tex(f"{number(figure.key)} of the paper: {figure.title}. {figure.unit}; (paper).")
    return (
        "% needs \\usepackage{booktabs}\n\\begin{table}\n  \\centering\n"
        f"  \\caption{{{caption}}}\n  \\label{{tab:{figure.key}}}\n"
        f"  \\begin{{tabular}}{{l{'r' * (len(titles) - 1)}}}\n    \\toprule\n    {head} \\\\\n"
        f"    \\midrule\n{body}\n    \\bottomrule\n  \\end{{tabular}}\n\\end{{table}}\n"
    )


def tex(text: str) -> str:
    """Text with what LaTeX would read as a command spelled out."""
    return re.sub(r"[\\&%$#_{}~^–−†]", lambda m: _TEX[m[0]], text)


def json_cells(figure: Figure, cells: Sequence[Cell]) -> list[dict[str, Any]]:
    return [
        {
            "figure": figure.key,
            "panel": cell.panel,
            "group": cell.group,
            "bar": cell.bar,
            "ours": cell.ours.value if cell.ours else None,
            "ci95": [cell.ours.low, cell.ours.high] if cell.ours else None,
            "paper": cell.paper,
            "difference": cell.difference.value if cell.difference else None,
            "difference_ci95": (
                [cell.difference.low, cell.difference.high] if cell.difference else None
            ),
            "unit": figure.unit,
            "note": cell.note,
            "artifacts": list(cell.artifacts),
        }
        for cell in cells
    ]


def to_json(figure: Figure, cells: Sequence[Cell]) -> str:
    return json.dumps(json_cells(figure, cells), indent=2, ensure_ascii=False) + "\n"


def to_csv(figure: Figure, cells: Sequence[Cell]) -> str:
    """One line a cell; an interval becomes two columns, `..._low` and `..._high`."""
    rows = []
    for row in json_cells(figure, cells):
        flat = dict(row)
        for interval in ("ci95", "difference_ci95"):
            low, high = flat.pop(interval) or ("", "")
            flat |= {f"{interval}_low": low, f"{interval}_high": high}
        flat["artifacts"] = " ".join(flat["artifacts"])
        rows.append(flat)
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
