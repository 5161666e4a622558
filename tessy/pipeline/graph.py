"""The stage graph: which artifacts an experiment needs, in the order in which they are made."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tessy.config import Experiment, MethodConfig, MethodKind
from tessy.pipeline import ingredients
from tessy.pipeline.node import BASE, Node, Subject
from tessy.synthesis.needs import NEEDS, needs_predictors


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
        *pool, questions = ingredients.questions(e, about, where)
        if e.methods:
            yield from (*pool, questions)
        if e.sft_seeds or e.direct:
            for key in e.benchmarks:
                on = dataclasses.replace(about, benchmark=key)
                yield ingredients.evaluate(e, None, key, on, f"{BASE}{where}")
        for method_key in e.direct:
            for key in e.benchmarks:
                on = dataclasses.replace(about, benchmark=key)
                yield from _direct(e, method_key, on, questions, where)
        for method_key in e.methods:
            made = list(_data(e, method_key, questions, questions, where))
            yield from made
            data = made[-1]
            if "score" in e.stages:
                yield ingredients.score(e, data)
            for rate in e.with_all_learning_rates():
                for seed in e.sft_seeds:
                    subject = Subject(world, case, method_key, rate, seed)
                    name = f"{method_key}{where}-lr{rate:g}-seed{seed}"
                    model = ingredients.sft(e, data, subject, name)
                    yield model
                    for key in e.benchmarks:
                        about = dataclasses.replace(subject, benchmark=key)
                        yield ingredients.evaluate(e, model, key, about, name)
                        for epoch in _epochs(e, method_key):
                            after = dataclasses.replace(about, epoch=epoch)
                            yield ingredients.evaluate(e, model, key, after, f"{name}-epoch{epoch}")


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
    yield ingredients.evaluate(e, made[-1], about.benchmark or "", about, f"{key}-direct{where}")


def _data(e: Experiment, key: str, questions: Node, pool: Node, where: str) -> Iterator[Node]:
    """The nodes that make a method's data, its own last; predictors are trained on the pool."""
    method = method_of(e, key)
    parents = [questions]
    if needs_predictors(method) and e.predictor.source == "train":
        parents.append(
            ingredients.predictor(e, pool, f"-world{pool.subject.world}" if e.is_mini else "")
        )
        yield from (pool, parents[-1])
    for kind in NEEDS[method.kind].parents:
        made = list(_data(e, _key_of(e, kind), questions, pool, where))
        yield from made
        parents.append(made[-1])
    subject = dataclasses.replace(questions.subject, method=key)
    yield ingredients.synthesize(e, method, tuple(parents), subject, where)


def _key_of(e: Experiment, kind: MethodKind) -> str:
    return next((key for key, method in e.methods.items() if method.kind == kind), kind)


def _pushed(e: Experiment, nodes: Sequence[Node]) -> Iterator[Node]:
    """What goes to the hub: each data set that is trained on, and each model with its scores."""
    for model in nodes:
        if model.stage == "sft":
            scores = tuple(n for n in nodes if n.stage == "evaluate" and model in n.parents)
            for made, parents in ((model.parents[0], ()), (model, scores)):
                # Of cases that need it, as others may have an artifact of the same name.
                whose = f"{e.name}-{made.subject.case}" if e.cases else e.name
                name = re.sub(r"[^A-Za-z0-9.-]+", "-", f"{whose}-{made.name}")
                config = {"repository": f"{e.hub.owner}/{name}"}
                yield Node("push", name, config, (made, *parents), made.subject)


def _unique(nodes: Iterable[Node]) -> Iterator[Node]:
    seen: set[str] = set()
    for node in nodes:
        if node.fingerprint not in seen:
            seen.add(node.fingerprint)
            yield node
