"""Have an annotator mark the style in segments; every answer is on disk before it is used."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tessy import progress
from tessy.boundary.annotation import Reason, parse, request, word_labels
from tessy.boundary.segments import Segment
from tessy.config import ModelConfig, SamplingConfig
from tessy.dialects import Dialect
from tessy.engines import Engine, Request, complete
from tessy.errors import ArtifactError, DataError, EngineError
from tessy.journal import LineFile
from tessy.records import Message, Record, parse_line

GIVE_UP = 100  # answers of which none can be used, after which the annotator is useless


@dataclass(frozen=True)
class Answer(Record):
    """What an annotator said of the segment of that name; the text is empty if it failed."""

    segment: str
    text: str
    finish: Literal["complete", "length", "failed"]
    error: str = ""


Ask = Callable[[Segment], Awaitable[Answer]]


def model_annotator(
    engine: Engine, dialect: Dialect, model: ModelConfig, max_tokens: int, seed: int
) -> Ask:
    """A model as annotator: greedy, thinking and answer within `max_tokens`."""
    sampling = SamplingConfig(temperature=0.0, max_tokens=max_tokens)

    async def ask(segment: Segment) -> Answer:
        message = Message("user", request(segment.text))
        prompt = (*dialect.prompt_ids([message]), *dialect.open_ids)
        room = min(max_tokens, model.context - len(prompt))
        asked = Request(prompt, sampling, room, dialect.stop_ids, segment.name, seed)
        try:
            written = await complete(engine, asked)
        except EngineError as error:
            return Answer(segment.name, "", "failed", str(error))
        finally:
            await engine.close_session(segment.name)
        if written.finish == "length":
            return Answer(segment.name, "", "length")
        return Answer(segment.name, dialect.split(written.ids)[1], "complete")

    return ask


class Answers(LineFile):
    """The journal of one annotation.

    Raises:
        ArtifactError: it is corrupt.
        StorageError: it cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.by_segment: dict[str, Answer] = {}
        for number, (_, line) in enumerate(self.earlier(), 1):
            try:
                answer = parse_line(line, Answer, f"{path}:{number}")
            except DataError as error:
                raise ArtifactError(error.what, "delete the folder to annotate anew") from error
            self.by_segment[answer.segment] = answer

    def add(self, answer: Answer) -> None:
        self.write(json.dumps(answer.to_json(), ensure_ascii=False) + "\n")
        self.by_segment[answer.segment] = answer


async def annotate(
    segments: Sequence[Segment], ask: Ask, answers: Answers, at_once: int, label: str
) -> None:
    """Ask for what is not answered yet, `at_once` segments at a time, in their order.

    Raises:
        DataError: none of the first answers can be used.
        EngineDown: the annotator cannot be reached any more.
    """
    todo = [s for s in segments if s.name not in answers.by_segment]
    waiting = iter(todo)
    seen = Counter[str]()
    bar = progress.bar(len(segments), label, "segments", done=len(segments) - len(todo))

    def note(segment: Segment, answer: Answer) -> None:
        answers.add(answer)
        bar.update()
        said = labels(segment, answer)
        seen[said if isinstance(said, str) else "usable"] += 1
        if seen.total() >= GIVE_UP and not seen["usable"]:
            raise useless(seen)

    async def work() -> None:
        for segment in waiting:
            note(segment, await ask(segment))

    with bar:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(at_once, len(todo))):
                    group.create_task(work())
        except BaseExceptionGroup as faults:
            raise faults.exceptions[0] from None


def labels(segment: Segment, answer: Answer) -> list[int] | Reason:
    """The labels of a segment's words, or why its answer is dropped."""
    if answer.finish != "complete":
        return "truncated" if answer.finish == "length" else "failed"
    spans = parse(answer.text)
    return spans if isinstance(spans, str) else word_labels(segment.text, spans)


def usable(
    segments: Sequence[Segment], answers: Answers
) -> tuple[list[tuple[Segment, list[int]]], Counter[str]]:
    """The segments with their labels; counts of what was kept, and dropped by reason.

    Raises:
        DataError: no segment is left.
    """
    kept: list[tuple[Segment, list[int]]] = []
    dropped: Counter[str] = Counter()
    for segment in segments:
        said = labels(segment, answers.by_segment[segment.name])
        if isinstance(said, str):
            dropped[said] += 1
        else:
            kept.append((segment, said))
    if not kept:
        raise useless(dropped)
    counts = Counter({f"dropped_{reason}": n for reason, n in dropped.items()})
    counts.update(annotated=len(segments), usable=len(kept), truncated_lines=answers.discarded)
    counts["style_words"] = sum(sum(said) for _, said in kept)
    counts["words"] = sum(len(said) for _, said in kept)
    return kept, counts


def useless(dropped: Counter[str]) -> DataError:
    """The error of an annotator none of whose answers can be used."""
    reasons = ", ".join(f"{reason} {n}" for reason, n in dropped.most_common())
    return DataError(
        f"of {dropped.total()} answers of the annotator none can be used ({reasons})",
        "choose another with predictor.annotator, or raise predictor.annotation_tokens if they "
        "are truncated",
    )
