"""The responses behind figures 8, 14 and 16, each data set read once for all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from eval.analysis.counts import Responses, read
from eval.analysis.style import (
    Projection,
    Similarity,
    Words,
    frequent_words,
    project,
    similarities,
)
from eval.analysis.tokenizer import StudentTokens
from eval.report.data import Case, DataSet

ROLES = {"student_only": "Student", "teacher_only": "Teacher", "tessy": "TESSY"}
N_WORDS = 25


@dataclass
class Styles:
    """Reads data sets when they are first asked for, and keeps their counts.

    Args:
        limit: responses of a data set that are analysed; 0 is all.
    """

    limit: int
    _read: dict[str, Responses] = field(default_factory=dict)
    _words: dict[str, list[str]] = field(default_factory=dict)

    def projections(self, cases: Sequence[Case]) -> list[tuple[str, Projection]]:
        """Figure 8: a panel a teacher, with student, teacher and TESSY."""
        panels = []
        for case in cases:
            sources = [replace(r, source=ROLES[m]) for m, r in self._of(case)]
            if len(sources) > 1:
                panels.append((case.data.teacher, project(sources)))
        return panels

    def similarities(self, cases: Sequence[Case]) -> list[tuple[str, Similarity]]:
        """Figure 14: all pairs of models, then all pairs of TESSY's data with the student's."""
        found = []
        for panel, method in (("direct", "teacher_only"), ("tessy", "tessy")):
            sources: dict[str, Responses] = {}
            for case in cases:
                for made, responses in self._of(case):
                    if made == "student_only":
                        sources.setdefault(case.data.student, responses)
                    elif made == method:
                        sources.setdefault(case.data.teacher, responses)
            named = [replace(r, source=name) for name, r in sources.items()]
            if len(named) > 1:
                found += [(panel, pair) for pair in similarities(named)]
        return found

    def words(self, cases: Sequence[Case]) -> Words | None:
        """Figure 16: a row a model, and one for TESSY with each teacher."""
        sources: dict[str, Responses] = {}
        vocabulary = ""
        for case in cases:
            for method, responses in self._of(case):
                names = {"student_only": case.data.student, "teacher_only": case.data.teacher}
                name = names.get(method, f"TESSY, {case.data.teacher}")
                sources.setdefault(name, responses)
                vocabulary = vocabulary or self._vocabulary_of(case)
        named = [replace(r, source=name) for name, r in sources.items()]
        return frequent_words(named, self._words[vocabulary], N_WORDS) if named else None

    def _of(self, case: Case) -> Iterator[tuple[str, Responses]]:
        """The responses of a case's methods, to the questions that the first one is read for."""
        wanted = None
        for method in ROLES:
            for dataset in _first_world(case, method):
                if dataset.artifact not in self._read:
                    self._read[dataset.artifact] = self._counted(dataset, method, wanted)
                responses = self._read[dataset.artifact]
                wanted = wanted or dict.fromkeys(responses.keys)
                yield method, responses

    def _counted(
        self, dataset: DataSet, method: str, wanted: dict[tuple[str, int], None] | None
    ) -> Responses:
        assert dataset.vocabulary is not None
        tokens = StudentTokens.of(dataset.vocabulary)
        if str(dataset.vocabulary) not in self._words:
            self._words[str(dataset.vocabulary)] = tokens.words()
        return read(
            method, dataset.trajectories, tokens.encode, tokens.vocabulary, wanted, self.limit
        )

    def _vocabulary_of(self, case: Case) -> str:
        return next(str(d.vocabulary) for d in case.data.datasets if d.vocabulary is not None)


def _first_world(case: Case, method: str) -> list[DataSet]:
    found = [d for d in case.data.datasets if d.method == method and d.vocabulary is not None]
    return sorted(found, key=lambda d: d.world)[:1]
