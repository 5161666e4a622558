"""The stage graph: which artifacts an experiment needs, and what each one depends on.

A node's `config` holds exactly what changes its result, so that its fingerprint names the result:
base evaluations are shared by all methods and experiments, and a changed plot retrains nothing.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tessy.config import BenchmarkConfig, Experiment, MethodConfig, MethodKind
from tessy.pipeline.identity import file_identity, model_identity
from tessy.synthesis.needs import NEEDS

# Raise a stage's number when its stored results change meaning: they are then made anew.
STAGE_VERSIONS: Mapping[str, int] = {
    "questions": 1,
    "predictor": 1,
    "synthesize": 1,
    "score": 1,
    "sft": 1,
    "evaluate": 1,
    "report": 1,
    "push": 1,
}
# Options of predictor.* that change what is trained; the others change how it is read.
PREDICTOR_OPTIONS = (
    *("segments", "segment_words", "segments_per_response", "annotator", "annotation_tokens"),
    *("validation_share", "epochs", "batch", "learning_rate", "max_length", "label_shift"),
)
READING_OPTIONS = ("window", "label_shift", "cut")
# Options of train.* that change the samples, and those that change nothing but time and memory.
SAMPLE_OPTIONS = ("max_length", "overlong", "system")
TUNING_OPTIONS = ("name", "micro_batch", "packing", "memory", "checkpoints_per_epoch")
BASE = "base"  # the student before any training


@dataclass(frozen=True)
class Subject:
    """What a node is about, as keys into the experiment."""

    world: int = 0  # seed of the miniature world; 0 outside of it
    case: str = ""  # as `Experiment.case` takes it
    method: str | None = None  # as `method_of` takes it
    learning_rate: float | None = None
    sft_seed: int | None = None
    benchmark: str | None = None  # key of Experiment.benchmarks
    epoch: int | None = None  # the model after so many epochs; None is the trained one
    direct: bool = False  # the method's own responses to the benchmark, nothing trained


@dataclass(frozen=True, eq=False)
class Node:
    """One artifact to be."""

    stage: str
    name: str  # readable; not part of the fingerprint
    config: Mapping[str, Any]  # exactly what changes the result
    parents: tuple[Node, ...] = ()
    subject: Subject = dataclasses.field(default_factory=Subject)  # not part of it either

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits of the SHA-256 of all that the result depends on."""
        identity = {
            "stage": self.stage,
            "version": STAGE_VERSIONS[self.stage],
            "config": self.config,
            "parents": [parent.fingerprint for parent in self.parents],
        }
        text = json.dumps(identity, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def label(self) -> str:
        """For progress bars and messages."""
        return f"{self.stage} {self.name}"

    def parent(self, stage: str) -> Node:
        """The parent of that stage."""
        return next(parent for parent in self.parents if parent.stage == stage)


def build(experiment: Experiment) -> list[Node]:
    """All nodes in the order they run: parents first, and what is cheap to see early.

    World by world: the questions, the base model's scores, then each method from its data to
    its scores. The report is last.
    """
    nodes = list(_unique(node for _, case in by_case(experiment) for node in case))
    seen = tuple(node for node in nodes if node.stage in ("synthesize", "sft", "evaluate"))
    config = {"experiment": experiment.name, "report": dataclasses.asdict(experiment.report)}
    pushed = _unique(_pushed(experiment, nodes)) if "push" in experiment.stages else ()
    return [*nodes, *pushed, Node("report", experiment.name, config, seen)]


def by_case(experiment: Experiment) -> Iterator[tuple[str, list[Node]]]:
    """The name of each case and its nodes, but for the report; cases may share artifacts."""
    for name, case in experiment.cases.items() or [("", experiment)]:
        yield name, list(_unique(_nodes(case, name)))


def worlds(experiment: Experiment) -> tuple[int, ...]:
    """Seeds of the miniature worlds; a single 0 outside of them, where the seed changes nothing."""
    return experiment.worlds if experiment.is_mini else (0,)


def _nodes(e: Experiment, case: str) -> Iterator[Node]:
    for world in worlds(e):
        where = f"-world{world}" if e.is_mini else ""
        about = Subject(world, case)
        *pool, questions = _questions(e, about, where)
        if e.methods:
            yield from (*pool, questions)
        if e.sft_seeds or e.direct:
            for key in e.benchmarks:
                on = dataclasses.replace(about, benchmark=key)
                yield _evaluate(e, None, key, on, f"{BASE}{where}")
        for method_key in e.direct:
            for key in e.benchmarks:
                on = dataclasses.replace(about, benchmark=key)
                yield from _direct(e, method_key, on, questions, where)
        for method_key in e.methods:
            made = list(_data(e, method_key, questions, questions, where))
            yield from made
            data = made[-1]
            if "score" in e.stages:
                yield _score(e, data)
            for rate in e.with_all_learning_rates():
                for seed in e.sft_seeds:
                    subject = Subject(world, case, method_key, rate, seed)
                    name = f"{method_key}{where}-lr{rate:g}-seed{seed}"
                    model = _sft(e, data, subject, name)
                    yield model
                    for key in e.benchmarks:
                        about = dataclasses.replace(subject, benchmark=key)
                        yield _evaluate(e, model, key, about, name)
                        for epoch in _epochs(e, method_key):
                            after = dataclasses.replace(about, epoch=epoch)
                            yield _evaluate(e, model, key, after, f"{name}-epoch{epoch}")


def _epochs(e: Experiment, method_key: str) -> range:
    """The epochs before the last after which a model is evaluated."""
    kept = e.evaluate_epochs and method_key in e.train.keep_epochs
    return range(1, e.train.epochs) if kept else range(0)


def method_of(e: Experiment, key: str) -> MethodConfig:
    """A method of the experiment, or one that only others go on from, as its defaults have it."""
    return e.methods.get(key) or MethodConfig(key, key)  # type: ignore[arg-type]


def _direct(e: Experiment, key: str, about: Subject, pool: Node, where: str) -> Iterator[Node]:
    """A method's own responses to a benchmark's problems, and their judgement (figure 6)."""
    benchmark = e.benchmarks[about.benchmark or ""]
    asked = dataclasses.asdict(benchmark)
    for other in ("name", "path", "runs", "sampling"):  # how it is evaluated, not what it asks
        del asked[other]
    config: dict[str, Any] = {"source": "benchmark", "benchmark": asked}
    if benchmark.kind == "mini":
        config["world"] = about.world
    name = f"{about.benchmark}{where}"
    questions = Node("questions", name, config, (), about)
    yield questions
    yield from (made := list(_data(e, key, questions, pool, f"-{name}")))
    about = dataclasses.replace(about, method=key, direct=True)
    yield _evaluate(e, made[-1], about.benchmark or "", about, f"{key}-direct{where}")


def _data(e: Experiment, key: str, questions: Node, pool: Node, where: str) -> Iterator[Node]:
    """The nodes that make a method's data, its own last; predictors are trained on the pool."""
    method = method_of(e, key)
    parents = [questions]
    if NEEDS[method.kind].predictors and e.predictor.source == "train":
        parents.append(_predictor(e, pool, f"-world{pool.subject.world}" if e.is_mini else ""))
        yield from (pool, parents[-1])
    for kind in NEEDS[method.kind].parents:
        made = list(_data(e, _key_of(e, kind), questions, pool, where))
        yield from made
        parents.append(made[-1])
    subject = dataclasses.replace(questions.subject, method=key)
    yield _synthesize(e, method, tuple(parents), subject, where)


def _key_of(e: Experiment, kind: MethodKind) -> str:
    return next((key for key, method in e.methods.items() if method.kind == kind), kind)


def _questions(e: Experiment, about: Subject, where: str) -> list[Node]:
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


def _predictor(e: Experiment, questions: Node, where: str) -> Node:
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


def _synthesize(
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
        config["reading"] = {name: getattr(e.predictor, name) for name in READING_OPTIONS}
        if e.predictor.source == "checkpoint":
            config["predictors"] = [
                model_identity(e.predictor.student),
                model_identity(e.predictor.teacher),
            ]
    if method.kind == "teacher_score":
        config["candidates"] = method.candidates
    return Node("synthesize", f"{subject.method}{where}", config, parents, subject)


def _score(e: Experiment, data: Node) -> Node:
    config = {
        "student": _model(e, "student"),
        "train": {name: getattr(e.train, name) for name in SAMPLE_OPTIONS},
    }
    return Node("score", data.name, config, (data,), data.subject)


def _sft(e: Experiment, data: Node, subject: Subject, name: str) -> Node:
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


def _pushed(e: Experiment, nodes: Sequence[Node]) -> Iterator[Node]:
    """What goes to the hub: each data set that is trained on, and each model with its scores."""
    for model in nodes:
        if model.stage == "sft":
            scores = tuple(n for n in nodes if n.stage == "evaluate" and model in n.parents)
            for made, parents in ((model.parents[0], ()), (model, scores)):
                name = re.sub(r"[^A-Za-z0-9.-]+", "-", f"{e.name}-{made.name}")
                config = {"repository": f"{e.hub.owner}/{name}"}
                yield Node("push", name, config, (made, *parents), made.subject)


def _evaluate(e: Experiment, model: Node | None, key: str, subject: Subject, name: str) -> Node:
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


def _unique(nodes: Iterable[Node]) -> Iterator[Node]:
    seen: set[str] = set()
    for node in nodes:
        if node.fingerprint not in seen:
            seen.add(node.fingerprint)
            yield node
