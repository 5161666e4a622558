"""Comparisons for the terminal, as Markdown, and as a page with both answers to each problem."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from rich.table import Table as RichTable

from eval.compare import datasets, show_data
from eval.compare.compare import Comparison, json_rows
from eval.compare.contenders import Contender
from eval.compare.datasets import DataComparison
from eval.report import html, markup
from eval.report.tables import NOTHING, markdown_table, points
from tessy.records import JudgedAnswer

TITLES = [
    *("benchmark", "model", "against", "difference [95 %]"),
    *("p", "p, Holm", "won", "lost", "tied"),
]
ANSWERS = 12  # problems won and as many lost, whose answers a page shows for each comparison
NOTE = (
    "Percentage points of pass@1, paired by problem; intervals by bootstrap over problems, SFT "
    "seeds and worlds; p by randomization over problems; Holm's correction for all comparisons "
    "here. * marks an interval that excludes zero."
)


def printed(comparisons: Sequence[Comparison]) -> list[list[str]]:
    """A line a comparison, under TITLES."""
    return [
        [
            c.first.benchmark,
            c.first.name,
            c.second.name,
            points(c.difference),
            f"{c.p:.4f}",
            f"{c.p_holm:.4f}",
            *(str(n) for n in (len(c.won), len(c.lost), c.tied)),
        ]
        for c in comparisons
    ]


def parts(comparisons: Sequence[Comparison]) -> list[list[str]]:
    """A line a difficulty of a comparison."""
    return [
        [
            c.first.benchmark,
            c.first.name,
            c.second.name,
            part.name,
            str(part.n_problems),
            points(part.difference),
        ]
        for c in comparisons
        for part in c.by_difficulty
    ]


PARTS = ["benchmark", "model", "against", "difficulty", "problems", "difference [95 %]"]


def terminal(comparisons: Sequence[Comparison], wide: bool) -> RichTable:
    """A line a comparison; where there is room, the differences by difficulty as columns."""
    from rich.box import SIMPLE_HEAD
    from rich.text import Text

    parted = [part.name for c in comparisons for part in c.by_difficulty]
    difficulties = list(dict.fromkeys(parted)) if wide else []
    table = RichTable(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, caption=NOTE)
    table.caption_justify = "left"
    titles = ["model", "against", "difference [95 %]", "p, Holm", "won/lost/tied", *difficulties]
    several = len({c.first.benchmark for c in comparisons}) > 1
    for n, title in enumerate((["benchmark"] if several else []) + titles):
        names = n < 2 + several
        table.add_column(title, no_wrap=not names, overflow="fold" if names else "ellipsis")
    for c in comparisons:
        by = {part.name: f"{100 * part.difference.value:+.1f}" for part in c.by_difficulty}
        row = [c.first.benchmark] if several else []
        row += [c.first.name, c.second.name, points(c.difference), f"{c.p_holm:.3f}"]
        row.append(f"{len(c.won)}/{len(c.lost)}/{c.tied}")
        table.add_row(*map(Text, row), *(by.get(name, NOTHING) for name in difficulties))
    return table


def write(
    comparisons: Sequence[Comparison],
    of_data: Sequence[DataComparison],
    experiment: str,
    folder: Path,
) -> None:
    """Write `compare.json`, `compare.md` and `compare.html` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = {"models": json_rows(comparisons), "data": datasets.json_rows(of_data)}
    files = {
        "compare.json": json.dumps(rows, indent=2) + "\n",
        "compare.md": "\n".join([f"# {experiment}", "", *_markdown(comparisons, of_data)]),
        "compare.html": html.document(
            f"{experiment}, compared", _body(comparisons, of_data, experiment)
        ),
    }
    for file, content in files.items():
        (folder / file).write_text(content, encoding="utf-8")


def _markdown(
    comparisons: Sequence[Comparison], of_data: Sequence[DataComparison]
) -> Iterator[str]:
    if comparisons:
        yield from (*markdown_table(TITLES, printed(comparisons)), "", NOTE, "")
    if by_difficulty := parts(comparisons):
        yield from (*markdown_table(PARTS, by_difficulty), "")
    if of_data:
        yield from (*markdown_table(show_data.ALIKE, show_data.alike(of_data)), "")
        yield from (*markdown_table(show_data.TITLES, show_data.printed(of_data)), "")
        yield from (show_data.NOTE, "")


def _body(
    comparisons: Sequence[Comparison], of_data: Sequence[DataComparison], experiment: str
) -> str:
    parted = parts(comparisons)
    return "".join(
        [
            f'<header><p class="kicker">TESSY · {escape(experiment)}</p><h1>Compared, problem by '
            "problem</h1></header>",
            _table("All pairs", NOTE, TITLES, printed(comparisons), "pairs"),
            _table("By difficulty", "The same differences.", PARTS, parted, "difficulty"),
            *(_pair(n, c) for n, c in enumerate(comparisons)),
            show_data.section(of_data) if of_data else "",
        ]
    )


def _table(title: str, lead: str, titles: list[str], rows: list[list[str]], anchor: str) -> str:
    return markup.section(title, lead, markup.sortable(titles, rows), anchor) if rows else ""


def _pair(number: int, c: Comparison) -> str:
    """Problems won and lost, each linked to both answers, the first ones in full."""
    lists, answers = "", ""
    for what, places in (("won", c.won), ("lost", c.lost)):
        shown = places[:ANSWERS]
        links = ", ".join(
            f'<a href="#c{number}-{escape(problem)}">{escape(problem)}</a>' for _, problem in shown
        )
        rest = f" and {len(places) - len(shown):,} more" if len(places) > len(shown) else ""
        lists += f'<p class="files"><b class="{what}">{what} {len(places)}</b>: {links}{rest}</p>'
        answers += "".join(_answers(number, c, world, problem) for world, problem in shown)
    where = ", ".join(escape(place) for place in (*c.first.places, *c.second.places))
    content = f'{lists}{answers}<p class="small">All answers: {where}</p>'
    title = f"{escape(c.first.name)} − {escape(c.second.name)}"
    lead = f"{escape(c.first.benchmark)}: {escape(points(c.difference))}, p {c.p_holm:.4f} (Holm)."
    return markup.section(title, lead, content, f"c{number}")


def _answers(number: int, c: Comparison, world: int, problem: str) -> str:
    columns = "".join(_column(side, world, problem) for side in (c.first, c.second))
    return (
        f'<details class="example" id="c{number}-{escape(problem)}"><summary>{escape(problem)}'
        f'</summary><div class="columns n2">{columns}</div></details>'
    )


def _column(side: Contender, world: int, problem: str) -> str:
    model = next(m for m in side.models if m.world == world)
    answer: JudgedAnswer = min(
        (a for a in model.answers if a.problem_id == problem), key=lambda a: a.run
    )
    said = f"{answer.verdict}, {answer.n_tokens:,} tokens"
    return (
        f'<article><h4 class="m-{"tessy" if answer.passed else "teacher_only"}">'
        f'{escape(side.name)}</h4><p class="small">{escape(said)}</p>'
        f'<pre class="trajectory">{escape(answer.response)}</pre></article>'
    )
