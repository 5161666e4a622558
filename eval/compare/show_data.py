"""Comparisons of data sets for the terminal, as Markdown, and as a section of the page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from rich.table import Table as RichTable

from eval.compare.datasets import CORRECT, ENDINGS, TEACHER, TOKENS, DataComparison, Difference
from eval.report import markup
from eval.report.tables import NOTHING, points

ENDED = {ending: f"ended: {ending}" for ending in ENDINGS}
SAID = {TOKENS: "tokens", TEACHER: "by the teacher", CORRECT: "correct"} | ENDED
SHORT = {TEACHER: "teacher"}  # in the terminal
PAIR = ["questions of", "data", "against"]
TITLES = [*PAIR, "measure", "data has", "against has", "difference [95 %]", "p", "p, Holm"]
ALIKE = [*PAIR, "paired questions", "only one has", "similarity [95 %]"]
NOTE = (
    "Means over samples, paired by question; shares in percent, their differences in points; "
    "intervals by bootstrap over questions; p by randomization over questions; Holm's correction "
    "for all measures of all pairs. * marks an interval that excludes zero. Similarity: mean "
    "TF-IDF cosine of complete responses to the same question and repeat."
)


def printed(comparisons: Sequence[DataComparison]) -> list[list[str]]:
    """A line a measure of a pair, under TITLES."""
    return [
        [
            *_pair(c),
            SAID[d.measure],
            _mean(d, d.first),
            _mean(d, d.second),
            difference(d),
            f"{d.p:.4f}",
            f"{d.p_holm:.4f}",
        ]
        for c in comparisons
        for d in c.differences
    ]


def alike(comparisons: Sequence[DataComparison]) -> list[list[str]]:
    """A line a pair, under ALIKE."""
    return [
        [*_pair(c), f"{c.questions:,}", f"{sum(c.unpaired):,}", _similarity(c)] for c in comparisons
    ]


def terminal(comparisons: Sequence[DataComparison]) -> RichTable:
    """A line a pair, without intervals; of the endings only how many are complete."""
    from rich.box import SIMPLE_HEAD

    table = RichTable(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, caption=NOTE)
    table.caption_justify = "left"
    shown = (TOKENS, TEACHER, CORRECT, "complete")
    kept = [m for m in shown if any(c.of(m) for c in comparisons)]
    several = len({c.first.asked for c in comparisons}) > 1
    for title in PAIR[not several :]:
        table.add_column(title, overflow="fold")
    for title in ("questions", *(SHORT.get(m, m) for m in kept), "similarity"):
        table.add_column(title, justify="right", no_wrap=True)
    for c in comparisons:
        cells = [
            difference(d).split(" ")[0] + "*" * d.difference.decided if d else NOTHING
            for d in map(c.of, kept)
        ]
        alike = NOTHING if c.similarity is None else f"{c.similarity.mean.value:.3f}"
        table.add_row(*_pair(c)[not several :], f"{c.questions:,}", *cells, alike)
    return table


def section(comparisons: Sequence[DataComparison]) -> str:
    """The data sets' part of the page."""
    content = markup.sortable(ALIKE, alike(comparisons))
    content += markup.sortable(TITLES, printed(comparisons))
    places = dict.fromkeys(p for c in comparisons for p in (*c.first.places, *c.second.places))
    content += f'<p class="small">All samples: {escape(", ".join(places))}</p>'
    return markup.section("Data sets", NOTE, content, "data")


def difference(d: Difference) -> str:
    """Tokens as they are, shares in percentage points."""
    if d.measure != TOKENS:
        return points(d.difference)
    e = d.difference
    return f"{e.value:+,.0f} [{e.low:+,.0f}, {e.high:+,.0f}]{'*' if e.decided else ''}"


def _mean(d: Difference, value: float) -> str:
    return f"{value:,.0f}" if d.measure == TOKENS else f"{100 * value:.1f} %"


def _pair(c: DataComparison) -> list[str]:
    return [c.first.asked, c.first.name, c.second.name]


def _similarity(c: DataComparison) -> str:
    if c.similarity is None:
        return NOTHING
    mean = c.similarity.mean
    return f"{mean.value:.3f} [{mean.low:.3f}, {mean.high:.3f}]"
