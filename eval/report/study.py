"""The report of an experiment that consists of tables and figures of the paper."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from html import escape
from pathlib import Path

from rich.table import Table as RichTable
from rich.text import Text

from eval.report import background_html, html, markup
from eval.report.data import ReportData, Study
from eval.report.paper import tables
from eval.report.paper.cells import Cell, prominent
from eval.report.paper.figures import Figure, number
from eval.report.paper.latex import typeset
from eval.report.paper.look import name
from eval.report.paper.write import FOLDER, Shown, write_figures
from eval.report.tables import NOTHING
from tessy.config import ReportConfig

WIDE = 660  # pixels; a wider figure has nothing beside it
BESIDE = 18  # numbers that stand beside their figure; more are folded
CAPTIONS = {
    "scores": "Bars: measured here, with 95 % intervals.",
    "epochs": "Line and band: measured here, 95 % intervals.",
    "tokens": "Means, counted with the student's tokenizer.",
    "shares": "Of the tokens of TESSY's responses.",
    "similarity": "Mean TF-IDF cosine of responses to the same question.",
    "points": "Bags of the student's tokens, weighted by TF-IDF, on two principal components.",
    "losses": "Mean loss of the response tokens at each optimizer step.",
    "words": "A row a model; darker is more frequent. Words that are one token of the student's.",
}
THEIRS = {"similarity": "In parentheses: the paper's."}  # else they are diamonds
DIAMONDS = "Diamonds: the paper's values. Dotted: only the paper has it."


def write_study(study: Study, folder: Path, config: ReportConfig) -> list[Shown]:
    """Write `results.json`, `results.csv`, `results.md`, `report.html` and the folder `paper`.

    Raises:
        DataError: a model has not answered all problems equally often.
    """
    found = write_figures(study, folder, config)
    tex = [Path(f).name for s in found for f in s.files if f.endswith(".tex")]
    latex = typeset(folder / FOLDER, tex) if tex else ""
    rows = [row for shown in found for row in tables.json_cells(shown.figure, shown.cells)]
    markdown = [(folder / f).read_text("utf-8") for s in found for f in s.files if f[-3:] == ".md"]
    files = {
        "results.json": json.dumps(rows, indent=2, ensure_ascii=False) + "\n",
        "results.md": "\n".join(markdown),
        "results.csv": "".join(_csv(shown, n > 0) for n, shown in enumerate(found)),
        "report.html": html.document(
            study.experiment, _body(study, found, config.examples, latex), images=True
        ),
    }
    for file, content in files.items():
        (folder / file).write_text(content, encoding="utf-8")
    return found


def _csv(shown: Shown, headless: bool) -> str:
    if not shown.cells:
        return ""
    lines = tables.to_csv(shown.figure, shown.cells).splitlines(keepends=True)
    return "".join(lines[headless:])


def terminal(found: list[Shown]) -> list[RichTable | Text]:
    """A table a figure, for rich to print; of one without numbers what is missing."""
    from rich.box import SIMPLE_HEAD

    made: list[RichTable | Text] = []
    for shown in found:
        about = f"{number(shown.figure.key)}. {shown.figure.title} ({shown.figure.unit})"
        table = RichTable(title=about, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), title_justify="left")
        for title in tables.TITLES[:-1]:
            table.add_column(title, overflow="fold")
        measured = [cell for cell in shown.cells if cell.ours is not None]
        for row in tables.printed(shown.figure, measured):
            table.add_row(*map(Text, row[:-1]))
        rest = len(shown.cells) - len(measured)
        apart = measured and len(prominent(shown.cells)) < len(shown.cells)
        why = "are of other models" if apart else "were not measured here"
        notes = [f"{rest} numbers of the paper {why}."] if rest else []
        notes += [f"Missing: {what}" for what in shown.missing]
        if measured:
            made.append(table)
        if notes or not measured:
            said = "\n".join(notes or ["Drawn in the report."])
            made.append(Text(said if measured else f"{about}\n{said}"))
    return made


def _body(study: Study, found: list[Shown], n_examples: int, latex: str) -> str:
    links = "".join(f'<a href="#{s.figure.key}">{number(s.figure.key)}</a>' for s in found)
    measured = sum(c.ours is not None for s in found for c in s.cells)
    printed = sum(c.paper is not None for s in found for c in s.cells)
    both = sum(c.difference is not None for s in found for c in s.cells)
    cards = "".join(
        f'<div class="card m-tessy"><p>{what}</p><p class="big">{count:,}</p></div>'
        for what, count in (
            ("tables and figures", len(found)),
            ("numbers measured", measured),
            ("numbers of the paper", printed),
            ("measured and in the paper", both),
        )
    )
    header = (
        f'<header><p class="kicker">TESSY · {escape(study.experiment)}</p>'
        "<h1>The paper&#8217;s tables and figures, ours beside theirs</h1>"
        f'<div class="cards">{cards}</div><nav>{links}</nav>'
        f'<p class="small">{escape(latex)}</p></header>'
    )
    merged = _merged(study)
    return "".join(
        [
            header,
            *(_section(shown) for shown in found),
            background_html.who_wrote_what(merged, n_examples),
            background_html.dropped(merged),
            background_html.costs(merged),
            background_html.provenance(merged),
        ]
    )


def _section(shown: Shown) -> str:
    figure = shown.figure
    drawing = content = ""
    width = 0
    if shown.png:
        source = base64.b64encode(shown.png).decode()
        told = escape(f"{number(figure.key)}: {figure.title}")
        width = int.from_bytes(shown.png[16:20], "big") * 5 // 8  # of its pixels: sharp on screens
        drawn = (
            f'<div class="scroll"><img alt="{told}" width="{width}" '
            f'src="data:image/png;base64,{source}"></div>'
        )
        drawing = markup.figure(
            drawn, _caption(shown), cls="full large" if width > WIDE else "full"
        )
    if shown.missing:
        items = "".join(f"<li>{escape(what)}</li>" for what in shown.missing)
        content += (
            f'<details class="missing"><summary>Missing: {len(shown.missing)}</summary>'
            f"<ul>{items}</ul></details>"
        )
    if shown.cells:
        near, is_table = prominent(shown.cells), figure.key.startswith("table")
        far = [cell for cell in shown.cells if cell not in near]
        numbers = _numbers(figure, near)
        if is_table:
            table = markup.sortable(*tables.wide(figure, near))
            narrow = width <= WIDE
            drawing = f'<div class="beside">{drawing}{table}</div>' if narrow else table + drawing
        if is_table or len(near) > BESIDE or width > WIDE:
            content += _folded(f"All {len(near)} numbers", numbers)
        else:
            drawing = f'<div class="beside">{drawing}{numbers}</div>'
        if far:
            told = f"The paper&#8217;s {len(far)} numbers, which are of other models"
            content += _folded(told, _numbers(figure, far))
        content += _folded("What stands behind each number", _behind(figure, near))
    files = ", ".join(f'<a href="{f}">{f.rpartition("/")[2]}</a>' for f in shown.files)
    content += f'<p class="small files">Beside this page: {files}</p>'
    students = dict.fromkeys(case.data.student for case in shown.cases)
    teachers = dict.fromkeys(case.data.teacher for case in shown.cases)
    who = f"{', '.join(map(name, students))}, taught by {', '.join(map(name, teachers))}"
    lead = f"{escape(who)}; {figure.unit}."
    title = f"{number(figure.key)}. {figure.title}"
    return markup.section(title, lead, drawing + content, figure.key)


def _caption(shown: Shown) -> str:
    theirs = any(cell.paper is not None for cell in prominent(shown.cells))
    said = [CAPTIONS[shown.figure.kind]]
    return " ".join(said + [THEIRS.get(shown.figure.kind, DIAMONDS)] * theirs)


def _folded(summary: str, content: str) -> str:
    return f"<details><summary>{summary}</summary>{content}</details>"


def _numbers(figure: Figure, cells: Sequence[Cell]) -> str:
    """Without the places that are the same in all rows, and without notes."""
    rows = tables.printed(figure, cells)
    kept = [n for n in range(6) if n > 1 or len({row[n] for row in rows}) > 1]
    return markup.sortable(
        [tables.TITLES[n] for n in kept], [[row[n] for n in kept] for row in rows]
    )


def _behind(figure: Figure, cells: Sequence[Cell]) -> str:
    rows = zip(tables.printed(figure, cells), cells, strict=True)
    behind = [[*row[:3], row[-1], ", ".join(cell.artifacts) or NOTHING] for row, cell in rows]
    titles = [*tables.TITLES[:3], tables.TITLES[-1], "artifacts"]
    return f'{markup.plain_table(titles, behind)}<p class="small">{tables.ASIDE}</p>'


def _merged(study: Study) -> ReportData:
    """All cases as one, for the sections on samples, losses, costs and provenance."""
    with_data = [c.data for c in study.cases if any(d.method == "tessy" for d in c.data.datasets)]
    models = {m.artifact: m for c in study.cases for m in c.data.models}
    first = study.cases[0].data
    return ReportData(
        study.experiment,
        first.student,
        first.teacher,
        tuple(models.values()),
        with_data[0].datasets if with_data else (),
        (),
        study.costs,
        study.provenance,
        study.drops,
    )
