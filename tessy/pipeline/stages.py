"""Each stage: read the parents' artifacts, call the part that does the work, return its counts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

from tessy.config import Experiment, PredictorConfig
from tessy.journal import replace_lines
from tessy.pipeline import pool
from tessy.pipeline.cards import card_of
from tessy.pipeline.graph import method_of
from tessy.pipeline.node import Node
from tessy.pipeline.push import push
from tessy.pipeline.store import Store, model_folder
from tessy.records import QUESTIONS, TRAJECTORIES, Question, dump_line, read_jsonl
from train.card import write_card
from train.job import ADAPTER, MODEL

Stage = Callable[[Node, Store, Experiment], Mapping[str, float]]

BAD_LINES = "bad_lines.jsonl"  # of a file, skipped as was asked for


def questions(node: Node, store: Store, experiment: Experiment) -> Mapping[str, float]:
    """Store the questions to synthesize answers for."""
    from tessy.questions import SOURCES
    from tessy.questions.removed import Removed

    folder = store.folder(node)
    removed: list[Removed] = []
    if node.subject.benchmark is not None:
        loaded = _problems(node, experiment)
    elif experiment.questions.source == "paper":
        return pool.make(node, store, experiment)
    else:
        source = SOURCES[experiment.questions.source]
        loaded, removed = source(experiment.questions, node.subject.world)
    replace_lines(folder / QUESTIONS, map(dump_line, loaded))
    if not removed:
        return {"questions": len(loaded)}
    replace_lines(folder / BAD_LINES, map(dump_line, removed))
    return {"questions": len(loaded), "dropped_bad_lines": len(removed)}


def _problems(node: Node, experiment: Experiment) -> list[Question]:
    """The problems of a benchmark as questions (figure 6)."""
    from eval.benchmarks import find_benchmark

    config = experiment.benchmarks[node.subject.benchmark or ""]
    benchmark = find_benchmark(config.kind)
    return [
        Question(
            problem.problem_id,
            "\n\n".join(message.content for message in benchmark.prompt(problem)),
            config.kind,
        )
        for problem in benchmark.load(config, node.subject.world).problems
    ]


def predictor(node: Node, store: Store, experiment: Experiment) -> Mapping[str, float]:
    """Train the boundary predictors on annotated thinking of student and teacher."""
    from tessy.pipeline.predictors import train_predictors

    asked = list(read_jsonl(store.folder(node.parent("questions")) / QUESTIONS, Question))
    return train_predictors(asked, experiment, store.folder(node), node.label)


def synthesize(node: Node, store: Store, experiment: Experiment) -> Mapping[str, float]:
    """Have student and teacher write the responses."""
    from tessy.synthesis.cast import Setup
    from tessy.synthesis.parts import samples
    from tessy.synthesis.run import synthesize as run
    from tessy.synthesis.sources import StoredSamples

    setup = Setup(
        method_of(experiment, node.subject.method or ""),
        experiment.author,
        experiment.teacher,
        _predictors(node, store, experiment),
        experiment.engine,
        experiment.serve,
        experiment.sampling,
        experiment.seed,
    )
    path = store.folder(node.parent("questions")) / QUESTIONS
    asked = list(read_jsonl(path, Question))
    sources = {
        parent.config["kind"]: StoredSamples(store.folder(parent) / TRAJECTORIES)
        for parent in node.parents
        if parent.stage == "synthesize"
    }
    return run(
        asked,
        samples(asked, node.config.get("samples") or node.config["runs"] * len(asked)),
        setup,
        store.folder(node),
        node.label,
        sources,
    )


def _predictors(node: Node, store: Store, experiment: Experiment) -> PredictorConfig:
    """The predictors of the configuration, or those that were trained for this node."""
    for parent in node.parents:
        if parent.stage == "predictor":
            student, teacher = (str(store.folder(parent) / w) for w in ("student", "teacher"))
            return dataclasses.replace(experiment.predictor, student=student, teacher=teacher)
    return experiment.predictor


def score(node: Node, store: Store, experiment: Experiment) -> Mapping[str, float]:
    """Measure how likely the data is to the student before it is trained."""
    from train.score import score as run

    return run(
        store.folder(node.parent("synthesize")) / TRAJECTORIES,
        experiment.student,
        experiment.train,
        store.folder(node),
        node.label,
    )


def sft(node: Node, store: Store, experiment: Experiment) -> Mapping[str, float]:
    """Fine-tune the student on the synthesized data."""
    from train.run import finetune

    assert node.subject.learning_rate is not None and node.subject.sft_seed is not None
    kept = tuple(m for m in experiment.train.keep_epochs if m == node.subject.method)
    folder, data = store.folder(node), node.parent("synthesize")
    counts = finetune(
        store.folder(data) / TRAJECTORIES,
        experiment.student,
        dataclasses.replace(experiment.train, keep_epochs=kept),
        node.subject.learning_rate,
        node.subject.sft_seed,
        folder,
        node.label,
        experiment.deepspeed,
    )
    card = card_of(node, store, experiment, counts)
    for name in (MODEL, ADAPTER):
        if (folder / name).is_dir():
            write_card(card, folder / name)
    return counts


def evaluate(node: Node, store: Store, experiment: Experiment) -> Mapping[str, float]:
    """Have a model answer a benchmark, and judge its answers."""
    from eval.benchmarks import find_benchmark
    from eval.responses import judge_responses
    from eval.run import evaluate as run
    from tessy.checkpoints import locate
    from tessy.engines import served_elsewhere

    benchmark = experiment.benchmarks[node.subject.benchmark or ""]
    loaded = find_benchmark(benchmark.kind).load(benchmark, node.subject.world)
    if node.subject.direct:
        return judge_responses(
            store.folder(node.parent("synthesize")) / TRAJECTORIES,
            loaded.problems,
            benchmark,
            experiment.judge,
            store.folder(node),
            node.label,
            loaded.unjudged,
        )
    weights = not served_elsewhere(experiment.engine, experiment.serve)
    trained: Path | None = None
    if node.parents:
        trained = model_folder(store.folder(node.parents[0]), node.subject.epoch)
    return run(
        trained or locate(experiment.student.path, weights),
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
        experiment.train.system if node.parents else "",
    )


STAGE_FUNCTIONS: Mapping[str, Stage] = {
    "questions": questions,
    "predictor": predictor,
    "synthesize": synthesize,
    "score": score,
    "sft": sft,
    "evaluate": evaluate,
    "push": push,
}
