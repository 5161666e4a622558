"""The numbers of a table or figure: ours, with interval and provenance, beside the paper's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from eval.analysis.style import Similarity
from eval.report.data import BASE, Case, DataSet, EvaluatedModel
from eval.report.paper.figures import Figure
from eval.report.paper.reference import Place, reference
from eval.report.rows import method_order, verdicts_of, writer_tokens
from eval.score import Estimate, interval

ELSEWHERE = ", not in the paper"  # ends the panel of models that the paper's panel lacks
HOLLOW = 0.1  # of the samples; where fewer are complete, a method was not really tried
NO_INTERVAL = "no interval: a mean over all samples"


@dataclass(frozen=True)
class Cell:
    """One number. Shares are in percent, as the paper prints them."""

    panel: str  # a benchmark, or what is counted
    group: str
    bar: str
    ours: Estimate | None  # None: not measured, `note` says why
    paper: float | None  # None: the paper has no such number
    note: str = ""  # what ours stands on: problems, answers, seeds
    artifacts: tuple[str, ...] = ()
    hollow: bool = False  # of data so thin that it says nothing about the method

    @property
    def place(self) -> Place:
        return self.panel, self.group, self.bar

    @property
    def difference(self) -> Estimate | None:
        """Ours minus the paper's, which is taken as exact; None where either is missing."""
        if self.ours is None or self.paper is None:
            return None
        return Estimate(*(v - self.paper for v in (self.ours.value, self.ours.low, self.ours.high)))


def cells(
    figure: Figure,
    cases: Sequence[Case],
    similarities: Sequence[tuple[str, Similarity]],
    resamples: int,
) -> list[Cell]:
    """Every number that was measured for a figure or that the paper prints in it.

    Args:
        cases: those of the figure.
        similarities: of figure 14, each with its panel.
        resamples: behind each interval of pass@1.

    Raises:
        DataError: a model has not answered all problems equally often.
    """
    find = {
        "scores": _scores,
        "epochs": _epochs,
        "tokens": _tokens,
        "shares": _shares,
    }
    if figure.kind == "similarity":
        measured = list(_similarities(similarities))
    elif figure.kind in find:
        measured = list(find[figure.kind](figure, cases, resamples))
    else:  # drawn from points, curves or words, of which the paper prints none
        return []
    return _beside(figure, cases, measured)


def _beside(figure: Figure, cases: Sequence[Case], measured: Sequence[Cell]) -> list[Cell]:
    """The measured cells with the paper's values, then those that only the paper has."""
    printed = reference(figure.key)
    found: dict[Place, Cell] = {}
    for cell in measured:  # what several cases share is shown once
        beside = cell.panel in {panel for panel, _, _ in printed}
        # Of other models, and maybe of another magnitude.
        if figure.kind != "scores" and beside and cell.place not in printed:
            cell = replace(cell, panel=f"{cell.panel}{ELSEWHERE}")
        found.setdefault(cell.place, replace(cell, paper=printed.get(cell.place)))
    missing = sorted({label for case in cases for label in case.planned})
    note = f"not measured; {len(missing)} stages are to do" if missing else "not measured"
    for place, value in printed.items():
        if place not in found:
            found[place] = Cell(*place, None, value, note)
    return list(found.values())


def _scores(figure: Figure, cases: Sequence[Case], resamples: int) -> Iterator[Cell]:
    for case in cases:
        models = [m for m in case.data.models if m.epoch is None]
        for benchmark in dict.fromkeys(m.benchmark for m in models):
            here = [m for m in models if m.benchmark == benchmark]
            for method in method_order(m.method for m in here):
                mine = [m for m in here if m.method == method]
                if figure.bars == "author" and method == BASE:
                    continue
                bar = case.author if figure.bars == "author" else method
                if figure.case_in_bar and method != BASE and case is not cases[0]:
                    bar = f"{method}_{case.name}"
                cell = _score(benchmark, _group(figure, case, method), bar, mine, resamples)
                notes = [cell.note, *data_notes(case, method)]
                thin = any(is_hollow(d) for d in case.data.datasets if d.method == method)
                yield replace(cell, note="; ".join(notes), hollow=thin)


def data_notes(case: Case, method: str) -> list[str]:
    """What of a method's data was not usable, if anything."""
    notes = []
    for dataset in case.data.datasets:
        if dataset.method == method:
            whole, samples = dataset.written.finishes.get("complete", 0), dataset.written.samples
            if whole < samples:
                notes.append(f"trained on {whole:,} of {samples:,} samples, the others incomplete")
            unread = dataset.counts.get("scores_unparsed", 0)
            if unread:
                notes.append(f"{unread:,.0f} of {dataset.counts['scores']:,.0f} scores unreadable")
    return notes


def is_hollow(dataset: DataSet) -> bool:
    """Whether a method's data is so thin that its numbers say nothing about it."""
    unread = dataset.counts.get("scores_unparsed", 0)
    thin = dataset.written.finishes.get("complete", 0) < HOLLOW * dataset.written.samples
    return thin or (unread > 0 and unread == dataset.counts["scores"])


def prominent(cells: Sequence[Cell]) -> list[Cell]:
    """Those to show together: all, unless none of ours has one of the paper beside it.

    Ours are then of other models (the miniature world's), and the paper's would only dwarf them.
    """
    measured = [cell for cell in cells if cell.ours is not None]
    beside = any(cell.difference is not None for cell in measured)
    return list(cells) if beside or not measured else measured


def _group(figure: Figure, case: Case, method: str) -> str:
    if figure.groups == "limit":
        return str(case.max_tokens)
    return case.data.teacher if figure.groups == "teacher" else case.data.student


def _score(
    panel: str, group: str, bar: str, models: Sequence[EvaluatedModel], resamples: int
) -> Cell:
    passed = verdicts_of(models)
    ours = interval(passed, resamples)
    problems = sum(len(seeds[0]) for seeds in passed.values())
    runs = sum(seed.shape[1] for seeds in passed.values() for seed in seeds)
    said = [f"{problems:,} problems", f"{runs} answers each"]
    if models[0].sft_seed is not None:
        said.append("SFT seeds " + ", ".join(str(m.sft_seed) for m in models))
    scaled = Estimate(100 * ours.value, 100 * ours.low, 100 * ours.high)
    artifacts = tuple(m.artifact for m in models)
    return Cell(panel, group, bar, scaled, None, "; ".join(said), artifacts)


def _epochs(figure: Figure, cases: Sequence[Case], resamples: int) -> Iterator[Cell]:
    for case in cases:
        trained = [m for m in case.data.models if m.method != BASE and not m.direct]
        last = 1 + max((m.epoch or 0 for m in trained), default=0)
        places = dict.fromkeys((m.benchmark, m.method, m.epoch or last) for m in trained)
        for benchmark, method, epoch in sorted(places):
            mine = [
                m
                for m in trained
                if (m.benchmark, m.method, m.epoch or last) == (benchmark, method, epoch)
            ]
            yield _score(benchmark, method, str(epoch), mine, resamples)


def _tokens(figure: Figure, cases: Sequence[Case], resamples: int) -> Iterator[Cell]:
    for case in cases:
        for dataset in case.data.datasets:
            alone = dataset.method == "student_only"
            group = case.data.student if alone else case.data.teacher
            mean = sum(writer_tokens(case.data, dataset.method).values())
            samples = dataset.written.samples
            note = f"{samples:,} samples; {NO_INTERVAL}"
            ours = Estimate(mean, mean, mean)
            yield Cell("tokens", group, dataset.method, ours, None, note, (dataset.artifact,))


def _shares(figure: Figure, cases: Sequence[Case], resamples: int) -> Iterator[Cell]:
    for case in cases:
        for dataset in case.data.datasets:
            if dataset.method != "tessy":
                continue
            tokens = dataset.written.tokens
            total = sum(tokens.values())
            for writer in ("teacher", "student"):
                of_writer = sum(n for (who, _), n in tokens.items() if who == writer)
                share = 100 * of_writer / total if total else 0.0
                note = f"{total:,} tokens; {NO_INTERVAL}"
                ours = Estimate(share, share, share)
                group = case.data.teacher
                yield Cell("share", group, writer, ours, None, note, (dataset.artifact,))


def _similarities(found: Sequence[tuple[str, Similarity]]) -> Iterator[Cell]:
    for panel, pair in found:
        note = f"{pair.questions:,} questions"
        yield Cell(panel, pair.first, pair.second, pair.mean, None, note)
