"""Have an annotator mark the style in segments, and read what it says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from tessy.boundary.annotation import Reason, parse, request, word_labels
from tessy.boundary.segments import Segment
from tessy.engines.asking import USABLE, Answer, Answers, Put, ask_all
from tessy.errors import DataError

Ask = Callable[[Segment], Awaitable[Answer]]


def model_annotator(put: Put) -> Ask:
    """A model as annotator."""

    async def ask(segment: Segment) -> Answer:
        return await put(segment.name, request(segment.text))

    return ask


async def annotate(
    segments: Sequence[Segment], ask: Ask, answers: Answers, at_once: int, label: str
) -> None:
    """Ask for what is not answered yet, `at_once` segments at a time, in their order.

    Raises:
        DataError: none of the first answers can be used.
        EngineDown: the annotator cannot be reached any more.
    """

    def read(segment: Segment, answer: Answer) -> str:
        said = labels(segment, answer)
        return said if isinstance(said, str) else USABLE

    todo = [s for s in segments if s.name not in answers.by_key]
    total = len(segments)
    await ask_all(todo, total, ask, read, useless, answers, at_once, label, "segments")


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
        said = labels(segment, answers.by_key[segment.name])
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
