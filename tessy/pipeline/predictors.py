"""The predictor stage: sample thinking, cut segments, have them annotated, train, measure.

Each step goes on where an interrupted run stopped: sampled responses and annotations lie in
journals, labelled segments follow from them, and the trainings have checkpoints.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from tessy.boundary.annotate import Ask, annotate, model_annotator, usable
from tessy.boundary.segments import LabelledSegment, Segment, cut, labelled
from tessy.config import Experiment, MethodConfig, ModelConfig
from tessy.engines.asking import Answer, Answers, open_asker
from tessy.engines.loop import run
from tessy.errors import DataError
from tessy.journal import replace_lines
from tessy.pipeline.disk import write_json
from tessy.records import TRAJECTORIES, Question, Trajectory, Writer, dump_line, read_jsonl

WRITERS: tuple[Writer, ...] = ("student", "teacher")
METRICS = "metrics.json"
SPARE = 1.1  # of the responses that are asked for first: some yield fewer segments


def train_predictors(
    asked: Sequence[Question], experiment: Experiment, folder: Path, label: str
) -> dict[str, float]:
    """Make both predictors in `folder`/student and `folder`/teacher.

    Also there: sampled/ (responses), annotations.*.jsonl (the annotator's answers as they came),
    segments.*.jsonl (`LabelledSegment`), curve.*.jsonl, metrics.json (validation measures).

    Returns:
        Counts and measures of each predictor, as "student.usable" or "teacher.boundary_f1": see
        `tessy.boundary.annotate.usable`, `train.predictor.fit`.

    Raises:
        DataError: there is no thinking to cut segments from, or no annotation can be used.
        MissingError, CheckpointError: a model is not there.
        EngineError, EngineDown: a server does not start, or answers no more.
        TrainingError: a loss is not a finite number.
        StorageError, ArtifactError: the folder cannot be written, a journal cannot be read.
    """
    from train.predictor import fit

    counts: Counter[str] = Counter()
    segments: dict[Writer, list[Segment]] = {}
    for writer in WRITERS:
        segments[writer], found = _segments(asked, experiment, writer, folder, label)
        _add(counts, writer, found)
    marked = _annotated(segments, experiment, folder, label)
    measures: dict[str, dict[str, float]] = {}
    for writer, (made, found) in marked.items():
        _add(counts, writer, found)
        replace_lines(folder / f"segments.{writer}.jsonl", map(dump_line, made))
    for writer, (made, _) in marked.items():
        measures[writer] = fit(
            made,
            experiment.predictor,
            experiment.seed,
            folder / writer,
            folder / f"curve.{writer}.jsonl",
            f"{label} {writer}",
        )
        _add(counts, writer, measures[writer])
    write_json(folder / METRICS, measures)
    return dict(counts)


def _segments(
    asked: Sequence[Question], e: Experiment, writer: Writer, folder: Path, label: str
) -> tuple[list[Segment], Counter[str]]:
    """Segments of one role's thinking; more responses are sampled until there are enough."""
    from tessy.synthesis.cast import Setup
    from tessy.synthesis.parts import samples
    from tessy.synthesis.run import synthesize

    p = e.predictor
    alone = MethodConfig(f"{writer}_only", f"{writer}_only")  # type: ignore[arg-type]
    setup = Setup(alone, e.author, e.teacher, p, e.engine, e.serve, e.sampling, e.seed)
    where = folder / "sampled" / writer
    responses = math.ceil(SPARE * p.segments / p.segments_per_response)
    while True:
        synthesize(asked, samples(asked, responses), setup, where, f"{label} {writer}")
        found, counts = _cut(where, e)
        if len(found) >= p.segments:
            return found[: p.segments], counts
        if not found:
            raise DataError(
                f"{responses} responses of {writer} {setup.model(writer).name} have no thinking "
                f"to cut segments from ({counts['dropped_degenerate']} degenerate, "
                f"{counts['dropped_failed']} failed; see {where / TRAJECTORIES})",
                f"choose a {writer} that thinks, and check its dialect",
            )
        wanted = math.ceil(SPARE * p.segments * responses / len(found))
        responses = max(responses + 1, wanted)


def _cut(where: Path, e: Experiment) -> tuple[list[Segment], Counter[str]]:
    """All segments of the sampled responses; those that degenerated or failed give none."""
    p = e.predictor
    found: list[Segment] = []
    counts: Counter[str] = Counter()
    for done in read_jsonl(where / TRAJECTORIES, Trajectory):
        counts["responses"] += 1
        counts["sampled_tokens"] += sum(
            n for name, n in done.tokens.items() if name.endswith("_generated")
        )
        if done.finish in ("degenerate", "failed"):
            counts[f"dropped_{done.finish}"] += 1
            continue
        counts["unclosed"] += done.finish == "length"
        text, key = done.text("think"), done.key
        found += cut(text, *key, p.segment_words, p.segments_per_response, e.seed)
    return found, counts


def _annotated(
    segments: Mapping[Writer, Sequence[Segment]], e: Experiment, folder: Path, label: str
) -> dict[Writer, tuple[list[LabelledSegment], Counter[str]]]:
    """The segments that were annotated, with their labels, and counts of the others."""
    with ExitStack() as stack:
        answers = {
            writer: stack.enter_context(Answers(folder / f"annotations.{writer}.jsonl"))
            for writer in WRITERS
        }
        if any(s.name not in answers[w].by_key for w in WRITERS for s in segments[w]):
            run(_ask(segments, answers, e, folder, label), e.engine)
        made: dict[Writer, tuple[list[LabelledSegment], Counter[str]]] = {}
        for writer in WRITERS:
            kept, counts = usable(segments[writer], answers[writer])
            made[writer] = labelled(kept, e.predictor.validation_share, e.seed), counts
        return made


async def _ask(
    segments: Mapping[Writer, Sequence[Segment]],
    answers: Mapping[Writer, Answers],
    e: Experiment,
    folder: Path,
    label: str,
) -> None:
    async with _annotator(e, folder / "servers") as ask:
        for writer in WRITERS:
            what = f"{label} {writer} annotation"
            await annotate(segments[writer], ask, answers[writer], e.engine.batch_size, what)


@asynccontextmanager
async def _annotator(e: Experiment, logs: Path) -> AsyncIterator[Ask]:
    if e.predictor.annotator == "mini":
        yield _mini_annotator
        return
    model, role = annotator_model(e)
    serve = e.serve
    if e.predictor.annotator == "model":  # it takes the teacher's place, with its own servers
        serve = dataclasses.replace(serve, teacher=serve.annotator)
    tokens = e.predictor.annotation_tokens
    async with open_asker(model, role, e.engine, serve, tokens, e.seed, logs) as put:
        yield model_annotator(put)


def annotator_model(e: Experiment) -> tuple[ModelConfig, Writer]:
    """The model that annotates (not for predictor.annotator=mini), and whose place it takes."""
    if e.predictor.annotator == "student":
        return e.author, "student"
    return (e.annotator if e.predictor.annotator == "model" else e.teacher), "teacher"


async def _mini_annotator(segment: Segment) -> Answer:
    from tessy.mini.grammar import answer

    return Answer(segment.name, answer(segment.text), "complete")


def _add(counts: Counter[str], writer: Writer, found: Mapping[str, float]) -> None:
    counts.update({f"{writer}.{name}": n for name, n in found.items()})
