"""The paper's questions (section 4.1), in two steps, each an artifact of its own.

The pool: questions of OpenThoughts and Nemotron about code, each once, that the teacher takes for
problems of programming contests. The draw: those of them that no benchmark has, some by lot. So
another benchmark or another number of questions does not ask the teacher again.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from tessy import progress
from tessy.config import EngineConfig, ModelConfig, QuestionsConfig, ServeConfig
from tessy.engines.asking import Answers, open_asker
from tessy.engines.loop import run
from tessy.errors import ConfigError, DataError
from tessy.journal import replace_lines
from tessy.questions.duplicates import Duplicates
from tessy.questions.overlap import Hits, Overlap, shared_words
from tessy.questions.published import (
    NEMOTRON,
    OPEN_THOUGHTS,
    Published,
    count_rows,
    data_files,
    locate_data,
    read_questions,
)
from tessy.questions.removed import Removed
from tessy.questions.selection import judged, say_rate, select
from tessy.records import QUESTIONS, Question, dump_line, parse_line, read_jsonl

CANDIDATES = "candidates.jsonl"  # before the teacher's selection
LOADED = "candidates.json"  # their counts; written last, so they are whole where it is
DUPLICATES = "near_duplicates.jsonl"
SELECTION = "selection.jsonl"  # the teacher's answers
REJECTED = "rejected.jsonl"
CONTAMINATED = "contaminated.jsonl"


def data_sets(config: QuestionsConfig) -> list[tuple[str, Published]]:
    """The hub id or folder of each data set that the pool is made of, and how it lies there."""
    named = ((config.open_thoughts, OPEN_THOUGHTS), (config.nemotron, NEMOTRON))
    return [(repository, of) for repository, of in named if repository]


def make_pool(
    config: QuestionsConfig,
    teacher: ModelConfig,
    engine: EngineConfig,
    serve: ServeConfig,
    folder: Path,
    label: str,
) -> dict[str, float]:
    """Make the pool in `folder`; an interrupted one goes on with the teacher's answers.

    Also there: candidates.jsonl, near_duplicates.jsonl and rejected.jsonl (`Removed`), and
    selection.jsonl (the teacher's answers as they came).

    Returns:
        Counts: rows, repeated_rows, dropped_near_duplicates, candidates, selected,
        dropped_not_contest and dropped for each reason that an answer cannot be used, questions.

    Raises:
        MissingError: a data set or the teacher is not on this machine.
        DataError: a file cannot be read, no question is left, or the teacher answers nothing that
            can be used.
        EngineError, EngineDown: a server does not start, or answers no more.
        StorageError, ArtifactError: the folder cannot be written, the journal cannot be read.
    """
    if not (folder / LOADED).exists():
        _load(config, folder, label)
    counts = Counter(json.loads((folder / LOADED).read_text(encoding="utf-8")))
    if config.select == "none":
        replace_lines(folder / QUESTIONS, map(dump_line, _candidates(folder)))
        return {**counts, "questions": counts["candidates"]}
    with Answers(folder / SELECTION) as answers:
        if len(answers.by_key) < counts["candidates"]:
            total, tokens = counts["candidates"], config.selection_tokens
            run(_select(answers, total, teacher, engine, serve, tokens, folder, label), engine)
        counts["truncated_lines"] = answers.discarded
        with (folder / REJECTED).open("w", encoding="utf-8") as rejected:
            replace_lines(folder / QUESTIONS, _selected(folder, answers, counts, rejected))
    say_rate(counts)
    if not counts["selected"]:
        raise DataError(
            f"the teacher {teacher.name} takes none of {counts['candidates']} questions for a "
            "contest problem",
            f"look at {folder / REJECTED}, and choose another teacher or questions.select=none",
        )
    return {**counts, "questions": counts["selected"]}


def draw(
    config: QuestionsConfig,
    pool: Path,
    problems: Iterable[tuple[str, str]],
    folder: Path,
    label: str,
) -> dict[str, float]:
    """Draw `config.unique` questions from the pool without those that benchmarks have.

    Args:
        pool: folder of `make_pool`.
        problems: of all benchmarks, each a name and a text.
        folder: receives questions.jsonl in the order of the draw, contaminated.jsonl (`Removed`).
        label: of the progress bar.

    Raises:
        ConfigError: too few questions are left.
    """
    overlap = Overlap(config.overlap_words, config.common_overlap)
    empty = overlap.add_problems(problems)
    hits: dict[int, Hits] = {}
    places: list[int] = []
    with (pool / QUESTIONS).open("rb") as file:
        with progress.bar(_size(file), f"{label} overlap", "bytes") as bar:
            for place, question in _at_places(file):
                places.append(place)
                if found := overlap.look(question.prompt):
                    hits[place] = found
                bar.update(file.tell() - place)
        removed = [_removed(file, place, found, overlap) for place, found in hits.items()]
        listed = {place: r for place, r in zip(hits, removed, strict=True) if r is not None}
        replace_lines(folder / CONTAMINATED, map(dump_line, listed.values()))
        left = [place for place in places if place not in listed]
        if len(left) < config.unique:
            raise ConfigError(
                f"questions.unique={config.unique}, but {len(left)} questions of the pool of "
                f"{len(places)} are left ({len(listed)} are in a benchmark)",
                f"set questions.unique={len(left)}; the pool stays",
            )
        drawn = random.Random(f"{config.seed}/draw").sample(left, config.unique)
        replace_lines(folder / QUESTIONS, (_line_at(file, place).decode() for place in drawn))
    return {
        "pool": len(places),
        "dropped_contaminated": len(listed),
        "problems_without_words": empty,
        "questions": len(drawn),
    }


def _load(config: QuestionsConfig, folder: Path, label: str) -> None:
    """Write the candidates, each question once."""
    counts: Counter[str] = Counter()
    files = [
        (path, of)
        for repository, of in data_sets(config)
        for path in data_files(locate_data(repository, of), of)
    ]
    with ExitStack() as stack:
        kept = stack.enter_context((folder / CANDIDATES).open("w+b"))
        removed = stack.enter_context((folder / DUPLICATES).open("w", encoding="utf-8"))
        pool = _Candidates(kept, removed, config.near_duplicates, counts)
        total = sum(count_rows(path) for path, _ in files)
        bar = stack.enter_context(progress.bar(total, f"{label} load", "rows"))
        for path, of in files:
            for question in read_questions(path, of, counts):
                pool.add(question)
                bar.set_postfix_str(f"{counts['candidates']:,} different", refresh=False)
                bar.update(counts["rows"] - bar.n)
        bar.update(counts["rows"] - bar.n)
    if not counts["candidates"]:
        raise DataError(
            f"there is no question about code in {counts['rows']} rows of {len(files)} files",
            "give folders of the data sets as published",
        )
    replace_lines(folder / LOADED, [json.dumps(counts) + "\n"])


class _Candidates:
    """The file of candidates while it grows; texts stay on the disk."""

    def __init__(
        self, kept: IO[bytes], removed: IO[str], similarity: float, counts: Counter[str]
    ) -> None:
        self._kept = kept
        self._removed = removed
        self._counts = counts
        self._places: list[int] = []
        self._ids: set[str] = set()
        self._duplicates = Duplicates(similarity, lambda number: self._at(number).prompt)

    def add(self, question: Question) -> None:
        """Write it, unless it repeats an earlier one."""
        found = self._duplicates.find(question.prompt, len(self._places))
        if found is None:
            self._write(question)
        elif found[0] < 0:
            self._counts["repeated_rows"] += 1
        else:
            number, similarity = found
            other = self._at(number).question_id
            said = f"similarity {similarity:.3f}"
            line = dump_line(Removed(question.question_id, "near_duplicate", other, said))
            self._removed.write(line)
            self._counts["dropped_near_duplicates"] += 1

    def _write(self, question: Question) -> None:
        if question.question_id in self._ids:  # an id that the data set gave to two questions
            name = f"{question.source}/{question.metadata['row']}"
            question = Question(name, question.prompt, question.source, question.metadata)
        self._ids.add(question.question_id)
        self._kept.seek(0, 2)
        self._places.append(self._kept.tell())
        self._kept.write(dump_line(question).encode())
        self._counts["candidates"] += 1

    def _at(self, number: int) -> Question:
        return _question_at(self._kept, self._places[number])


async def _select(
    answers: Answers,
    total: int,
    teacher: ModelConfig,
    engine: EngineConfig,
    serve: ServeConfig,
    tokens: int,
    folder: Path,
    label: str,
) -> None:
    async with open_asker(teacher, "teacher", engine, serve, tokens, 0, folder / "servers") as put:
        await select(
            lambda: _candidates(folder), total, put, answers, engine.batch_size, f"{label} select"
        )


def _selected(
    folder: Path, answers: Answers, counts: Counter[str], rejected: IO[str]
) -> Iterator[str]:
    """The lines of the questions that were selected; counts them, and writes the others."""
    for question in _candidates(folder):
        answer = answers.by_key[question.question_id]
        said = judged(answer)
        if said is True:
            counts["selected"] += 1
            yield dump_line(question)
        else:
            reason = said or "not_contest"
            counts[f"dropped_{reason}"] += 1
            about = Removed(question.question_id, reason, said=answer.error or answer.text[:200])
            rejected.write(dump_line(about))


def _candidates(folder: Path) -> Iterator[Question]:
    return read_jsonl(folder / CANDIDATES, Question)


def _removed(file: IO[bytes], place: int, hits: Hits, overlap: Overlap) -> Removed | None:
    found = overlap.contaminates(hits)
    if found is None:
        return None
    question = _question_at(file, place)
    name, start, length = found
    words = shared_words(question.prompt, start, length)
    return Removed(question.question_id, "contaminated", name, words)


def _at_places(file: IO[bytes]) -> Iterator[tuple[int, Question]]:
    """Each question with the place where its line begins."""
    place = 0
    while line := file.readline():
        yield place, parse_line(line.decode(), Question, f"{file.name}, byte {place}")
        place = file.tell()


def _question_at(file: IO[bytes], place: int) -> Question:
    return parse_line(_line_at(file, place).decode(), Question, f"{file.name}, byte {place}")


def _line_at(file: IO[bytes], place: int) -> bytes:
    file.seek(place)
    return file.readline()


def _size(file: IO[bytes]) -> int:
    size = file.seek(0, 2)
    file.seek(0)
    return size
