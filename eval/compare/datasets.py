"""Data sets compared question by question: lengths, writers, endings, correctness, style."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import numpy as np

from eval.analysis.counts import Key, read
from eval.analysis.style import Similarity, similarities
from eval.analysis.tokenizer import StudentTokens
from eval.compare.compare import holm
from eval.compare.contenders import SHOWN
from eval.score import Estimate, paired_difference, paired_p_value
from tessy.errors import DataError
from tessy.records import Finish, Trajectory

TOKENS = "tokens"  # of a response, with the student's tokenizer
TEACHER = "teacher_share"  # of a response's tokens, those that the teacher wrote
CORRECT = "correct"  # share of the samples that passed, where they were judged
ENDINGS: tuple[str, ...] = typing.get_args(Finish)  # share of the samples that ended so
MEASURES = (TOKENS, TEACHER, CORRECT, *ENDINGS)
UNBOUNDED = (float("-inf"), float("inf"))


@dataclass(frozen=True)
class DataContender:
    """A data set with all its worlds, whose questions have different ids."""

    name: str
    asked: str  # whose questions: the pool's, or a benchmark's
    trajectories: Sequence[Iterable[Trajectory]]  # each may be iterated again
    passed: Mapping[Key, bool] = field(default_factory=dict)  # of the samples that were judged
    vocabulary: Path | None = None  # the checkpoint whose tokenizer reads the texts
    places: tuple[str, ...] = ()  # files of the samples

    def samples(self) -> Iterator[Trajectory]:
        return chain.from_iterable(self.trajectories)

    @cached_property
    def means(self) -> dict[str, dict[str, float]]:
        """Question -> measure -> mean over its samples, however they ended."""
        values: dict[str, list[dict[str, float]]] = {}
        for done in self.samples():
            values.setdefault(done.question_id, []).append(self._measured(done))
        return {
            question: {name: float(np.mean([m[name] for m in of])) for name in of[0]}
            for question, of in values.items()
        }

    def _measured(self, done: Trajectory) -> dict[str, float]:
        tokens = sum(span.n_tokens for span in done.spans)
        taught = sum(span.n_tokens for span in done.spans if span.writer == "teacher")
        found = {TOKENS: float(tokens), TEACHER: taught / tokens if tokens else 0.0}
        found |= {ending: float(done.finish == ending) for ending in ENDINGS}
        return found | ({CORRECT: float(self.passed[done.key])} if self.passed else {})


@dataclass(frozen=True)
class Difference:
    """Of one measure over the questions that both answer."""

    measure: str
    first: float  # its mean; shares from 0 to 1
    second: float
    difference: Estimate  # first minus second, interval over questions
    p: float  # paired randomization test over questions
    p_holm: float  # corrected for all measures of all pairs


@dataclass(frozen=True)
class DataComparison:
    """Two data sets, paired by question."""

    first: DataContender
    second: DataContender
    questions: int  # that both answer
    unpaired: tuple[int, int]  # that only the first, only the second answers
    differences: tuple[Difference, ...]
    similarity: Similarity | None  # None where nothing of it can be read

    def of(self, measure: str) -> Difference | None:
        return next((d for d in self.differences if d.measure == measure), None)


def compare_data(
    contenders: Sequence[DataContender], resamples: int = 10_000, limit: int = 0, seed: int = 0
) -> list[DataComparison]:
    """Compare each two data sets that answer questions of the same source.

    Args:
        contenders: pairs are (earlier, later), shown as later - earlier.
        resamples: of the bootstrap over questions, and sign flips of the test.
        limit: responses of a data set whose style is compared, the first ones; 0 is all.

    Raises:
        DataError: two of them have no question in common.
    """
    found = []
    for asked in dict.fromkeys(c.asked for c in contenders):
        here = [c for c in contenders if c.asked == asked]
        for one, other in combinations(here, 2):
            _check_common(one, other)
        alike = _similar(here, limit)
        for second, first in combinations(here, 2):
            found.append(_compare(first, second, alike, resamples, seed))
    corrected = iter(holm([d.p for c in found for d in c.differences]))
    return [
        replace(c, differences=tuple(replace(d, p_holm=next(corrected)) for d in c.differences))
        for c in found
    ]


def _check_common(one: DataContender, other: DataContender) -> None:
    if not one.means.keys() & other.means.keys():
        said = (f"{c.name}'s are {', '.join(sorted(c.means)[:SHOWN])}" for c in (one, other))
        raise DataError(
            f"{one.name} and {other.name} cannot be compared, they have no question in common: "
            f"of {len(one.means)} and {len(other.means)}, {', '.join(said)}",
            "synthesize both from the same questions",
        )


def _compare(
    first: DataContender,
    second: DataContender,
    alike: Mapping[frozenset[str], Similarity],
    resamples: int,
    seed: int,
) -> DataComparison:
    both = sorted(first.means.keys() & second.means.keys())
    unpaired = len(first.means) - len(both), len(second.means) - len(both)
    differences = []
    for measure in MEASURES:
        sides = [_column(side, measure, both) for side in (first, second)]
        if any(side is None for side in sides) or not (np.any(sides[0]) or np.any(sides[1])):
            continue  # not judged, or how none of them ended
        mine, theirs = ({0: [side]} for side in sides)
        estimate = paired_difference(mine, theirs, resamples, seed, UNBOUNDED)
        p = paired_p_value(mine, theirs, resamples, seed)
        one, other = (float(np.mean(side)) for side in sides)
        differences.append(Difference(measure, one, other, estimate, p, p))
    similarity = alike.get(frozenset((first.name, second.name)))
    return DataComparison(first, second, len(both), unpaired, tuple(differences), similarity)


def _column(side: DataContender, measure: str, questions: Sequence[str]) -> Any:
    """The means of one measure, [question, 1]; None where it was not taken."""
    rows = [side.means[question].get(measure) for question in questions]
    return None if None in rows else np.array(rows, dtype=np.float64)[:, None]


def _similar(contenders: Sequence[DataContender], limit: int) -> dict[frozenset[str], Similarity]:
    """The similarity of each pair, all read by the first one's tokenizer."""
    vocabulary = next((c.vocabulary for c in contenders if c.vocabulary is not None), None)
    if vocabulary is None:
        return {}
    tokens = StudentTokens.of(vocabulary)
    sources = [
        read(c.name, c.samples(), tokens.encode, tokens.vocabulary, limit=limit)
        for c in contenders
        if any(done.finish == "complete" for done in c.samples())
    ]
    return {frozenset((s.first, s.second)): s for s in similarities(sources)}


def json_rows(comparisons: Sequence[DataComparison]) -> list[dict[str, Any]]:
    """Plain rows under stable names, one a measure of a pair, for files and trackers.

    `value` is the difference of a measure, first minus second; of the measure `similarity` it is
    the mean cosine of the two sides' responses to the same question and repeat.
    """
    rows: list[dict[str, Any]] = []
    for c in comparisons:
        pair = {"asked": c.first.asked, "first": c.first.name, "second": c.second.name}
        for d in c.differences:
            means = {"first_mean": d.first, "second_mean": d.second}
            row = pair | {"measure": d.measure} | _estimated(d.difference, c.questions) | means
            rows.append(row | {"p": d.p, "p_holm": d.p_holm})
        if c.similarity is not None:
            alike = _estimated(c.similarity.mean, c.similarity.questions)
            rows.append(pair | {"measure": "similarity"} | alike)
    return rows


def _estimated(estimate: Estimate, questions: int) -> dict[str, Any]:
    ci95 = [estimate.low, estimate.high]
    return {"value": estimate.value, "ci95": ci95, "n_questions": questions}
