"""The table as JSON, CSV, Markdown and for the terminal: the same figures everywhere."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.report.rows import Row, Table
from eval.report.subsets import Subset
from eval.score import Estimate

if TYPE_CHECKING:
    from rich.table import Table as RichTable


def json_rows(table: Table) -> list[dict[str, Any]]:
    """The rows of `results.json`; fractions in 0..1, intervals as [low, high]."""
    return [_json_row(row) for row in table.rows]


def to_json(table: Table) -> str:
    return json.dumps(json_rows(table), indent=2) + "\n"


def differences_json(table: Table) -> str:
    """`differences.json`: TESSY against each other way to make the data."""
    rows = [
        {
            "method": d.method,
            "against": d.against,
            "benchmark": d.benchmark,
            "learning_rate": d.learning_rate,
            "delta": d.difference.value,
            "delta_ci95": [d.difference.low, d.difference.high],
        }
        for d in table.differences
    ]
    return json.dumps(rows, indent=2) + "\n"


def to_csv(table: Table) -> str:
    """One line a row; an interval becomes two columns, `..._low` and `..._high`."""
    flat = [_flat(row) for row in json_rows(table)]
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(flat[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return out.getvalue()


def to_markdown(table: Table) -> str:
    """The table in percent, with what stands behind it, then TESSY against the others."""
    titles, cells = printed(table)
    lines = [f"# {table.experiment}", ""]
    lines += markdown_table(titles, cells)
    lines += ["", *footnotes(table), ""]
    if table.differences:
        cells = [
            [
                d.benchmark,
                f"{d.method} - {d.against}" + rate_suffix(d.learning_rate),
                points(d.difference),
            ]
            for d in table.differences
        ]
        lines += markdown_table(["benchmark", "difference", "pass@1 [95 %]"], cells)
        lines.append("")
    return "\n".join(lines)


def terminal(table: Table) -> RichTable:
    """The table for rich to print: what matters most, within 80 columns. The files have all."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as RichTable
    from rich.text import Text

    benchmarks = {row.benchmark for row in table.rows}
    rich = RichTable(
        title=" · ".join([table.experiment, *(benchmarks if len(benchmarks) == 1 else ())]),
        caption="\n".join(footnotes(table)),
        caption_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    columns: list[tuple[str, list[str]]] = [
        ("method", [row.method for row in table.rows]),
        ("benchmark", [row.benchmark if len(benchmarks) > 1 else NOTHING for row in table.rows]),
        ("SFT lr", [rate(row.learning_rate) for row in table.rows]),
        ("pass@1 [95 %]", [percent(row.score) for row in table.rows]),
        ("vs. base [95 %]", [points(row.delta_vs_base) for row in table.rows]),
        ("style of\nS / T", [_styles(row) for row in table.rows]),
    ]
    kept = _informative(columns)
    for index, (title, _) in enumerate(kept):
        rich.add_column(title, justify="right" if index else "left", no_wrap=True)
    for row, line in zip(table.rows, zip(*(c for _, c in kept), strict=True), strict=True):
        rich.add_row(*map(Text, line), style="bold" if row.method == "tessy" else "")
    return rich


def _styles(row: Row) -> str:
    if row.style_student is None or row.style_teacher is None:
        return NOTHING
    return f"{100 * row.style_student:.0f} / {100 * row.style_teacher:.0f}"


def _informative(columns: list[tuple[str, list[str]]]) -> list[tuple[str, list[str]]]:
    return [column for column in columns if any(cell != NOTHING for cell in column[1])]


def printed(table: Table) -> tuple[list[str], list[list[str]]]:
    """Titles and cells as people read them; columns without any figure are left out."""
    columns: list[tuple[str, list[str]]] = [
        ("method", [row.method for row in table.rows]),
        ("benchmark", [row.benchmark for row in table.rows]),
    ]
    if table.is_dial:
        columns.append(("SFT lr", [rate(row.learning_rate) for row in table.rows]))
    columns += [
        ("pass@1 [95 %]", [percent(row.score) for row in table.rows]),
        ("vs. base [95 %]", [points(row.delta_vs_base) for row in table.rows]),
        ("student style", [share(row.style_student) for row in table.rows]),
        ("teacher style", [share(row.style_teacher) for row in table.rows]),
        ("teacher tokens", [share(row.teacher_share) for row in table.rows]),
        ("answer tokens", [f"{row.mean_tokens:,.0f}" for row in table.rows]),
        ("truncated", [share(row.truncated) for row in table.rows]),
    ]
    kept = _informative(columns)
    return [title for title, _ in kept], [
        list(line) for line in zip(*(c[1] for c in kept), strict=True)
    ]


NOTHING = "–"


def percent(score: Estimate) -> str:
    return f"{100 * score.value:.1f} [{100 * score.low:.1f}, {100 * score.high:.1f}]"


def points(delta: Estimate | None) -> str:
    """A difference in percentage points; a star where zero lies outside the interval."""
    if delta is None:
        return NOTHING
    star = "*" if delta.decided else ""
    return f"{100 * delta.value:+.1f} [{100 * delta.low:+.1f}, {100 * delta.high:+.1f}]{star}"


def share(value: float | None) -> str:
    return NOTHING if value is None else f"{100 * value:.0f} %"


def rate(value: float | None) -> str:
    """A learning rate, short: 2e-3."""
    if value is None:
        return NOTHING
    return np.format_float_scientific(value, precision=3, trim="-", exp_digits=1)


def rate_suffix(value: float | None) -> str:
    return "" if value is None else f" at {rate(value)}"


def footnotes(table: Table) -> list[str]:
    """What the figures stand on, one sentence each."""
    notes = []
    for benchmark in dict.fromkeys(row.benchmark for row in table.rows):
        rows = [row for row in table.rows if row.benchmark == benchmark]
        trained = max(rows, key=lambda row: row.n_seeds)
        runs = ", ".join(
            dict.fromkeys(
                f"{row.n_runs} ({'base' if row.method == 'base' else 'trained'})" for row in rows
            )
        )
        stands_on = [_plural(trained.n_problems, "problem")]
        if trained.n_worlds > 1:
            stands_on.append(_plural(trained.n_worlds, "world"))
        seeds = _plural(trained.n_seeds, "SFT seed")
        stands_on.append(seeds + (" a world" if trained.n_worlds > 1 else ""))
        notes.append(f"{benchmark}: {', '.join(stands_on)}, answers a problem: {runs}.")
    notes.append("Percent; * marks a difference whose 95 % interval excludes zero.")
    worst = max(table.rows, key=lambda row: row.truncated)
    if worst.truncated:
        notes.append(
            f"Answers cut at the token limit: at most {100 * worst.truncated:.1f} % "
            f"({worst.method}{rate_suffix(worst.learning_rate)})."
        )
    if all(row.n_seeds == 1 for row in table.rows):
        notes.append("One SFT seed: the intervals do not include the variance of training.")
    if any(1 < row.n_worlds < 4 for row in table.rows):
        notes.append("Two or three worlds say little about others: intervals over them are wide.")
    faults = sum(row.judge_faults for row in table.rows)
    if faults:
        notes.append(f"{faults} answers could not be judged and count as not passed.")
    return notes


def _plural(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def _json_row(row: Row) -> dict[str, Any]:
    delta = row.delta_vs_base
    data: dict[str, Any] = {
        "method": row.method,
        "benchmark": row.benchmark,
        "pass_at_1": row.score.value,
        "ci95": [row.score.low, row.score.high],
        "n_problems": row.n_problems,
        "n_runs": row.n_runs,
        "delta_vs_base": None if delta is None else delta.value,
        "delta_ci95": None if delta is None else [delta.low, delta.high],
    }
    if row.learning_rate is not None:
        data["learning_rate"] = row.learning_rate
    return data | {
        "style_student": row.style_student,
        "style_teacher": row.style_teacher,
        "mean_tokens": row.mean_tokens,
        "truncated": row.truncated,
        "degenerate": row.degenerate,
        "judge_faults": row.judge_faults,
        "teacher_share": row.teacher_share,
        "n_seeds": row.n_seeds,
        "n_worlds": row.n_worlds,
        "seed_scores": list(row.seed_scores),
        "delta_p": row.delta_p,
        "pass_at_k": {str(k): value for k, value in row.pass_at_k.items()},
        "by_difficulty": _json_subsets(row.by_difficulty),
        "by_split": _json_subsets(row.by_split),
    }


def _json_subsets(subsets: Sequence[Subset]) -> dict[str, dict[str, Any]]:
    return {
        subset.name: {
            "pass_at_1": subset.score.value,
            "ci95": [subset.score.low, subset.score.high],
            "n_problems": subset.n_problems,
        }
        for subset in subsets
    }


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in ({"method": "", "benchmark": "", "learning_rate": ""} | row).items():
        if key in ("ci95", "delta_ci95"):
            low, high = value or ("", "")
            flat |= {f"{key}_low": low, f"{key}_high": high}
        else:
            flat[key] = " ".join(map(str, value)) if isinstance(value, list) else value
            if isinstance(value, dict):
                flat[key] = json.dumps(value) if value else ""
    return flat


def markdown_table(titles: list[str], cells: list[list[str]]) -> list[str]:
    lines = [titles, ["---"] * len(titles), *cells]
    return ["| " + " | ".join(c.replace("|", "\\|") for c in line) + " |" for line in lines]
