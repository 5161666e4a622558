"""The paper's questions as nodes: their pool, and the draw that keeps benchmarks' problems out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eval.benchmarks import find_benchmark
from tessy.config import BenchmarkConfig, Experiment
from tessy.pipeline.node import Node
from tessy.pipeline.store import Store


def is_pool(node: Node) -> bool:
    """Whether a node is the pool of the paper's questions, which the draw is made from."""
    return node.stage == "questions" and node.config.get("part") == "pool"


def make(node: Node, store: Store, e: Experiment) -> Mapping[str, float]:
    """Make the pool, or the draw from it."""
    from tessy.questions.paper import draw, make_pool

    folder = store.folder(node)
    if is_pool(node):
        return make_pool(e.questions, e.teacher, e.engine, e.serve, folder, node.label)
    problems, counts = _problems(e)
    pool = store.folder(node.parents[0])
    return {**draw(e.questions, pool, problems, folder, node.label), **counts}


def against(e: Experiment) -> list[BenchmarkConfig]:
    """The benchmarks whose problems are kept out, each where the experiment finds its data."""
    found = []
    for named in e.questions.decontaminate:
        kind, _, split = named.partition("/")
        same = [b for b in e.benchmarks.values() if b.kind == kind and b.split in (split, "")]
        same += [b for b in e.benchmarks.values() if b.kind == kind]
        path = next((b.path for b in same if b.path), "")
        found.append(BenchmarkConfig(named, kind, runs=1, split=split, path=path))
    return found


def _problems(e: Experiment) -> tuple[list[tuple[str, str]], dict[str, float]]:
    """The name and text of every problem, and how many rows of benchmarks cannot be read."""
    texts: list[tuple[str, str]] = []
    unread = 0
    for config in against(e):
        loaded: Any = find_benchmark(config.kind).load(config, 0)
        texts += [(f"{config.name} {p.problem_id}", p.prompt) for p in loaded.problems]
        unread += len(loaded.unjudged)
    return texts, {"problems": len(texts), "problems_unread": unread}
