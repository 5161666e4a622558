"""Each stage: read the parents' artifacts, call the part that does the work, return its counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tessy.config import Experiment
from tessy.pipeline.graph import Node
from tessy.pipeline.store import Store
from tessy.records import Question, dump_line, read_jsonl

Stage = Callable[[Node, Store, Experiment], Mapping[str, float]]

QUESTIONS = "questions.jsonl"
TRAJECTORIES = "trajectories.jsonl"
MODEL = "model"
ANSWERS = "answers.jsonl"


def questions(node: Node, store: Store, experiment: Experiment) -> Mapping[str, float]:
    """Store the questions to synthesize answers for."""
    from tessy.questions import mini

    loaded = mini.load(node.subject.world, experiment.questions.unique)
    lines = (dump_line(question) for question in loaded)
    (store.folder(node) / QUESTIONS).write_text("".join(lines), encoding="utf-8")
    return {"questions": len(loaded)}


def synthesize(node: Node, store: Store, experiment: Experiment) -> Mapping[str, float]:
    """Have student and teacher write the responses."""
    from tessy.synthesis.cast import Setup
    from tessy.synthesis.run import synthesize as run

    setup = Setup(
        experiment.methods[node.subject.method or ""],
        experiment.student,
        experiment.teacher,
        experiment.predictor,
        experiment.engine,
        experiment.serve,
        experiment.sampling,
        experiment.seed,
    )
    path = store.folder(node.parent("questions")) / QUESTIONS
    asked = list(read_jsonl(path, Question))
    return run(
        asked,
        samples(asked, experiment.questions.samples),
        setup,
        store.folder(node),
        node.label,
    )


def sft(node: Node, store: Store, experiment: Experiment) -> Mapping[str, float]:
    """Fine-tune the student on the synthesized data."""
    from train.run import finetune

    assert node.subject.learning_rate is not None and node.subject.sft_seed is not None
    return finetune(
        store.folder(node.parent("synthesize")) / TRAJECTORIES,
        experiment.student,
        experiment.train,
        node.subject.learning_rate,
        node.subject.sft_seed,
        store.folder(node),
        node.label,
    )


def evaluate(node: Node, store: Store, experiment: Experiment) -> Mapping[str, float]:
    """Have a model answer a benchmark, and judge its answers."""
    from eval.benchmarks import find_benchmark
    from eval.run import evaluate as run
    from tessy.checkpoints import locate

    benchmark = experiment.benchmarks[node.subject.benchmark or ""]
    loaded = find_benchmark(benchmark.kind).load(benchmark, node.subject.world)
    trained: Path | None = store.folder(node.parents[0]) / MODEL if node.parents else None
    return run(
        trained or locate(experiment.student.path),
        experiment.student,
        loaded.problems,
        benchmark,
        experiment.engine,
        experiment.serve,
        experiment.judge,
        experiment.seed,
        store.folder(node),
        node.label,
        loaded.unjudged,
    )


# `predictor` has no function yet: tessy.pipeline.requirements says so before any work.
STAGE_FUNCTIONS: Mapping[str, Stage] = {
    "questions": questions,
    "synthesize": synthesize,
    "sft": sft,
    "evaluate": evaluate,
}


def samples(asked: Sequence[Question], count: int) -> list[tuple[str, int]]:
    """The keys (question, repeat) of `count` samples, spread evenly over the questions.

    Paper, section 4.1: 80k samples of 37k unique questions, so a question may be answered
    several times.
    """
    return [(asked[i % len(asked)].question_id, i // len(asked)) for i in range(count)]
