"""What the artifact of each stage depends on: exactly what changes its result.

So base evaluations are shared by all methods and experiments, and a changed plot retrains nothing.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from tessy.config import BenchmarkConfig, Experiment, MethodConfig
from tessy.pipeline.identity import file_identity, model_identity
from tessy.pipeline.node import Node, Subject
from tessy.synthesis.needs import needs_predictors

# Options of predictor.* that change what is trained; the others change how it is read.
PREDICTOR_OPTIONS = (
    *("segments", "segment_words", "segments_per_response", "annotator", "annotation_tokens"),
    *("validation_share", "epochs", "batch", "learning_rate", "max_length", "label_shift"),
)
READING_OPTIONS = ("window", "label_shift", "cut")
# Options of train.* that change the samples, and those that change nothing but time and memory.
SAMPLE_OPTIONS = ("max_length", "overlong", "system")
TUNING_OPTIONS = ("name", "micro_batch", "packing", "memory", "checkpoints_per_epoch")


def questions(e: Experiment, about: Subject, where: str) -> list[Node]:
    """The nodes that make the questions, the last one those that are asked."""
    if e.questions.source == "paper":
        return _drawn_questions(e, about)
    config: dict[str, Any] = {"source": e.questions.source, "unique": e.questions.unique}
    if e.questions.source == "mini":
        config["world"] = about.world
    elif e.questions.source == "file":
        config["file"], where = file_identity(e.questions.path), ""
        if e.questions.bad_lines == "skip":
            config["bad_lines"] = "skip"
    return [Node("questions", f"{e.questions.source}{where}", config, (), about)]


def _drawn_questions(e: Experiment, about: Subject) -> list[Node]:
    """The pool, which the teacher selects, and the draw from it without benchmarks' problems."""
    q = e.questions
    config: dict[str, Any] = {
        "source": "paper",
        "part": "pool",
        "open_thoughts": model_identity(q.open_thoughts) if q.open_thoughts else "",
        "nemotron": model_identity(q.nemotron) if q.nemotron else "",
        "near_duplicates": q.near_duplicates,
        "select": q.select,
    }
    if q.select == "teacher":
        config |= {"teacher": _model(e, "teacher"), "engine": e.engine.kind}
        config["selection_tokens"] = q.selection_tokens
    pool = Node("questions", "paper-pool", config, (), about)
    options = ("unique", "overlap_words", "common_overlap", "seed")
    drawn: dict[str, Any] = {name: getattr(q, name) for name in options}
    drawn |= {"source": "paper", "part": "draw", "decontaminate": sorted(q.decontaminate)}
    return [pool, Node("questions", "paper", drawn, (pool,), about)]


def predictor(e: Experiment, questions: Node, where: str) -> Node:
    p = e.predictor
    config: dict[str, Any] = {option: getattr(p, option) for option in PREDICTOR_OPTIONS}
    config |= {
        "base": model_identity(p.base),
        "student": _model(e, "author"),
        "teacher": _model(e, "teacher"),
        "engine": e.engine.kind,
        "sampling": dataclasses.asdict(e.sampling),
        "seed": e.seed,
    }
    if p.annotator == "model":
        config["annotator_model"] = _model(e, "annotator")
    return Node("predictor", f"{p.name}{where}", config, (questions,), questions.subject)


def synthesize(
    e: Experiment, method: MethodConfig, parents: tuple[Node, ...], subject: Subject, where: str
) -> Node:
    config: dict[str, Any] = {
        "method": method.name,
        "kind": method.kind,
        "student": _model(e, "author"),  # also for teacher_only: its tokenizer counts the tokens
        "engine": e.engine.kind,
        "sampling": dataclasses.asdict(e.sampling),
        "seed": e.seed,
    }
    if subject.benchmark is None:
        config["samples"] = e.questions.samples
    else:
        config["runs"] = e.benchmarks[subject.benchmark].runs  # of each of its problems
    if method.kind != "student_only":
        config["teacher"] = _model(e, "teacher")
    if method.kind == "tessy":
        config |= {"span_tokens": method.span_tokens, "final_answer": method.final_answer}
    if needs_predictors(method):
        config["reading"] = {name: getattr(e.predictor, name) for name in READING_OPTIONS}
        if e.predictor.source == "checkpoint":
            config["predictors"] = [
                model_identity(e.predictor.student),
                model_identity(e.predictor.teacher),
            ]
    if method.kind == "teacher_score":
        config["candidates"] = method.candidates
        if method.scorer != "written":
            config["scorer"] = method.scorer
    return Node("synthesize", f"{subject.method}{where}", config, parents, subject)


def score(e: Experiment, data: Node) -> Node:
    config = {
        "student": _model(e, "student"),
        "train": {name: getattr(e.train, name) for name in SAMPLE_OPTIONS},
    }
    return Node("score", data.name, config, (data,), data.subject)


def sft(e: Experiment, data: Node, subject: Subject, name: str) -> Node:
    train = dataclasses.asdict(e.train)
    for tuning in (*TUNING_OPTIONS, "learning_rate"):
        del train[tuning]
    train["keep_epochs"] = subject.method in e.train.keep_epochs and not e.train.lora.rank
    config = {
        "student": _model(e, "student"),
        "train": train,
        "learning_rate": subject.learning_rate,
        "seed": subject.sft_seed,
    }
    return Node("sft", name, config, (data,), subject)


def evaluate(e: Experiment, model: Node | None, key: str, subject: Subject, name: str) -> Node:
    benchmark: BenchmarkConfig = e.benchmarks[key]
    judge = dataclasses.asdict(e.judge)
    del judge["workers"], judge["testlib"]
    asked = dataclasses.asdict(benchmark)
    del asked["name"], asked["path"]  # the same data wherever it lies
    config: dict[str, Any] = {
        "benchmark": asked,
        "engine": e.engine.kind,
        "judge": judge,
        "seed": e.seed,
    }
    if model is None:
        config["model"] = _model(e, "student")
    if benchmark.kind == "mini":
        config["world"] = subject.world
    if subject.epoch is not None:
        config["epoch"] = subject.epoch
    parents = () if model is None else (model,)
    return Node("evaluate", f"{name}-{key}", config, parents, subject)


def _model(e: Experiment, role: str) -> dict[str, Any]:
    roles = {"student": e.student, "author": e.author, "teacher": e.teacher}
    model = (roles | {"annotator": e.annotator})[role]
    identity: dict[str, Any] = {
        "weights": model_identity(model.path),
        "dialect": model.dialect,
        "context": model.context,
    }
    return identity | ({"template": dict(model.template)} if model.template else {})
