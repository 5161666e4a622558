"""The page's sections on scores: headline, table, bars and differences, dial, style."""

from __future__ import annotations

from html import escape

from eval.report import charts, markup, tables
from eval.report.data import ReportData
from eval.report.rows import Row, Table, method_order


def header(data: ReportData, table: Table) -> str:
    cards = "".join(_card(row) for row in _headline(table))
    return (
        f"<header><p class='kicker'>TESSY · {escape(data.experiment)}</p>"
        f"<h1>{escape(data.student)}, taught by {escape(data.teacher)}</h1>"
        f"<div class='cards'>{cards}</div></header>"
    ).replace("'", '"')


def _headline(table: Table) -> list[Row]:
    """The rows of the first benchmark; of a dial, each method's largest learning rate."""
    rows = [row for row in table.rows if row.benchmark == table.rows[0].benchmark]
    largest = max((row.learning_rate or 0 for row in rows), default=0)
    return [r for r in rows if r.learning_rate is None or r.learning_rate == largest]


def _card(row: Row) -> str:
    delta = row.delta_vs_base
    against = "<span>before training</span>"
    if delta is not None:
        against = f"<span>{escape(tables.points(delta))}</span> <span>vs. base</span>"
    label = charts.name(row.method) + tables.rate_suffix(row.learning_rate)
    return (
        f'<div class="card {charts.colour(row.method)}"><p>{escape(label)}</p>'
        f'<p class="big">{100 * row.score.value:.1f}<small> %</small></p>'
        f'<p class="small">{against}</p></div>'
    )


def results(table: Table) -> str:
    titles, cells = tables.printed(table)
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in titles)
    lines = "".join(
        f'<tr class="{charts.colour(row.method)}">'
        + "".join(f"<td>{escape(cell)}</td>" for cell in line)
        + "</tr>"
        for row, line in zip(table.rows, cells, strict=True)
    )
    figures = "".join(_score_figures(table, benchmark) for benchmark in _benchmarks(table))
    drawn = f'<div class="figures">{figures}</div>'
    notes = escape(" ".join(tables.footnotes(table)))
    return markup.section(
        "Results",
        notes,
        '<div class="scroll"><table id="results" class="sortable"><thead><tr>'
        f"{head}</tr></thead><tbody>{lines}</tbody></table></div>"
        + (_folded(drawn) if table.is_dial else drawn),
        "scores",
    )


def _folded(drawn: str) -> str:
    """A dial has a bar for each learning rate: too many to meet at first sight."""
    return f"<details><summary>The same as bars and differences</summary>{drawn}</details>"


def _score_figures(table: Table, benchmark: str) -> str:
    rows = _of(table, benchmark)
    drawn = markup.figure(
        charts.scores(rows),
        f"<b>pass@1 on {escape(benchmark)}</b>, percent. Whiskers: 95 % intervals over problems, "
        "SFT seeds and worlds. Dots: single models.",
    )
    compared = [row for row in rows if row.delta_vs_base is not None]
    pairs = [d for d in table.differences if d.benchmark == benchmark]
    if compared or pairs:
        drawn += markup.figure(
            charts.forest(compared, pairs),
            f"<b>Paired differences on {escape(benchmark)}</b>, percentage points: both sides "
            "answer the same problems. * where the 95 % interval excludes zero.",
        )
    return drawn


def _benchmarks(table: Table) -> list[str]:
    return list(dict.fromkeys(row.benchmark for row in table.rows))


def _of(table: Table, benchmark: str) -> list[Row]:
    return [row for row in table.rows if row.benchmark == benchmark]


def dial(table: Table) -> str:
    if not table.is_dial:
        return ""
    drawn = ""
    for benchmark in _benchmarks(table):
        rows = _of(table, benchmark)
        methods = method_order(r.method for r in rows)
        legend = markup.legend({charts.colour(m): charts.name(m) for m in methods})
        drawn += markup.figure(
            charts.dial(rows),
            f"pass@1 on {escape(benchmark)}, percent; band: the base model. Bars: 95 % intervals.",
            legend,
        )
        if any(r.style_teacher is not None for r in rows):
            drawn += markup.figure(
                charts.dial_style(rows),
                "Answers in the teacher's style (solid) and in the student's (dashed), percent.",
                legend,
            )
    return markup.section(
        "The dial: SFT learning rate",
        "What a higher learning rate does to pass@1, and to the style of the answers.",
        f'<div class="figures">{drawn}</div>',
        "dial",
    )


def style(table: Table) -> str:
    rows = [r for r in table.rows if r.style_student is not None or r.style_teacher is not None]
    if table.is_dial or not rows:  # the dial draws it already
        return ""
    legend = markup.legend({"w-student": "student's style", "w-teacher": "teacher's style"})
    drawn = "".join(
        markup.figure(
            charts.style([r for r in rows if r.benchmark == benchmark]),
            f"Share of answers on {escape(benchmark)} with the marks of a style, percent.",
            legend,
        )
        for benchmark in dict.fromkeys(r.benchmark for r in rows)
    )
    return markup.section(
        "Style adoption",
        "Whose habits the evaluated models show in their own answers.",
        f'<div class="figures">{drawn}</div>',
        "style",
    )
