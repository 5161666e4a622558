"""The page's sections on what stands behind the scores: data, training, samples, costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eval.report import charts, curves, markup, tables
from eval.report.data import ReportData
from eval.report.rows import method_order
from eval.report.trajectories import examples

FINISHES = ("complete", "length", "degenerate", "failed")
# What a reader looks for first; the engines' own counts stand below, folded.
SHOWN = ("samples", "student_kept", "teacher_kept", "switches", "thrown_away", "forced")
LABELS = {
    "student_kept": "student tokens",
    "teacher_kept": "teacher tokens",
    "switches": "role switches",
    "thrown_away": "thrown away",
    "forced": "forced words",
}


def synthesized(data: ReportData) -> str:
    if not data.datasets:
        return ""
    methods = method_order(d.method for d in data.datasets)
    counted = {m: _summed(data, m) for m in methods}
    keys = list(dict.fromkeys(key for counts in counted.values() for key in counts))
    shown = [key for key in keys if key in SHOWN or key.startswith("ended")]

    def table(of: list[str]) -> str:
        return markup.plain_table(
            ["count", *map(charts.name, methods)],
            [[LABELS.get(k, k), *(_number(counted[m].get(k)) for m in methods)] for k in of],
        )

    rest = table([key for key in keys if key not in shown])
    legend = markup.legend(
        {
            "w-student think": "student, thinking",
            "w-teacher think": "teacher, thinking",
            "w-student answer": "student, answer",
            "w-teacher answer": "teacher, answer",
        }
    )
    drawing = markup.figure(
        curves.tokens(data), "Mean tokens a sample, counted with the student's tokenizer.", legend
    )
    return markup.section(
        "Synthesized data",
        "Who wrote how much of each method's training data.",
        f'<div class="figures">{drawing}{table(shown)}</div>'
        f"<details><summary>All counts</summary>{rest}</details>",
        "data",
    )


def _summed(data: ReportData, method: str) -> dict[str, float]:
    """Counts of a method's data, summed over worlds."""
    sets = [d for d in data.datasets if d.method == method]
    sums: dict[str, float] = {"samples": sum(d.written.samples for d in sets)}
    for finish in FINISHES:
        sums[f"ended: {finish}"] = sum(d.written.finishes.get(finish, 0) for d in sets)
    for dataset in sets:
        for key, value in dataset.counts.items():
            if key not in ("samples", *FINISHES):
                sums[key] = sums.get(key, 0.0) + value
    return sums


def training(data: ReportData) -> str:
    if not data.curves:
        return ""
    rates = sorted({c.learning_rate for c in data.curves})
    legend = markup.legend(
        {charts.colour(m): charts.name(m) for m in method_order(c.method for c in data.curves)}
    )
    drawn = "".join(
        markup.figure(
            curves.loss([c for c in data.curves if c.learning_rate == learning_rate]),
            f"Learning rate {tables.rate(learning_rate)}. "
            "Thin: single trainings; thick: their mean.",
            legend,
        )
        for learning_rate in rates
    )
    return markup.section(
        "SFT loss",
        "Mean loss of the response tokens.",
        f'<div class="figures">{drawn}</div>',
        "training",
    )


def who_wrote_what(data: ReportData, count: int) -> str:
    shown = examples(data, count)
    if not shown:
        return ""
    legend = (
        '<p class="legend"><span class="student">written by the student</span> '
        '<span class="teacher">written by the teacher</span></p>'
    )
    return markup.section(
        "Who wrote what",
        "TESSY's samples beside what each model writes alone. First by question id, not picked.",
        legend + shown,
        "examples",
    )


def dropped(data: ReportData) -> str:
    content = markup.plain_table(
        ["what", "count"], [[what, f"{count:,}"] for what, count in data.drops.items()]
    )
    lead = "Nothing is left out in silence."
    return markup.section("Dropped, cut, failed", lead, content, "drops") if data.drops else ""


def costs(data: ReportData) -> str:
    if not data.costs:
        return ""
    rows = [
        [c.stage, c.name, f"{c.seconds:,.1f}", "earlier run" if c.done_before else "this run"]
        for c in data.costs
    ]
    spent = sum(c.seconds for c in data.costs if not c.done_before)
    saved = sum(c.seconds for c in data.costs if c.done_before)
    lead = f"{spent:,.1f} s in this run; {saved:,.1f} s were spent by earlier runs and not again."
    table = markup.plain_table(["stage", "what", "seconds", "done by"], rows)
    return markup.section(
        "Costs", lead, f"<details><summary>All stages</summary>{table}</details>", "costs"
    )


def provenance(data: ReportData) -> str:
    artifacts = [
        [
            charts.name(m.method),
            m.benchmark,
            str(m.world),
            "–" if m.sft_seed is None else str(m.sft_seed),
            tables.rate(m.learning_rate),
            f"{len(m.answers):,}",
            m.artifact,
        ]
        for m in data.models
    ]
    titles = ["method", "benchmark", "world", "SFT seed", "SFT lr", "answers", "artifact"]
    content = markup.plain_table(
        ["", ""], [[k, v] for k, v in _leaves(data.provenance)], "provenance"
    )
    content += (
        "<details><summary>Evaluations behind the table</summary>"
        f"{markup.plain_table(titles, artifacts)}</details>"
    )
    lead = (
        "Intervals: bootstrap over problems, with the variance of SFT seeds and worlds estimated "
        "from few of them (see eval/score.py)."
    )
    return markup.section("Provenance", lead, content, "provenance")


def _leaves(tree: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    """Nested mappings as dotted keys and printed values."""
    found: list[tuple[str, str]] = []
    for key, value in tree.items():
        if isinstance(value, Mapping):
            found += _leaves(value, f"{above}{key}.")
        else:
            said = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            found.append((f"{above}{key}", said))
    return found


def _number(value: float | None) -> str:
    if value is None:
        return tables.NOTHING
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"
