"""What this machine lacks for the nodes that are to do, found before any work, named at once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence, Set
from importlib.util import find_spec
from pathlib import Path

from eval.benchmarks import find_benchmark, kinds
from eval.published import is_cached
from tessy.checkpoints import locate
from tessy.config import BenchmarkConfig, Experiment
from tessy.dialects import DIALECTS
from tessy.dialects.chat_template import read_source, render_arguments
from tessy.engines import served_elsewhere
from tessy.errors import ConfigError, MissingError, SandboxError, TessyError, nearest
from tessy.machine import visible_gpus
from tessy.pipeline.disk import free_bytes
from tessy.pipeline.estimate import Estimate, estimate
from tessy.pipeline.node import Node
from tessy.pipeline.pool import against, is_pool
from tessy.pipeline.servers import missing_servers, roles
from tessy.questions import file
from tessy.questions.paper import data_sets
from tessy.questions.published import data_files, locate_data
from train.memory import shape_of

LARGE = 1e9  # parameters; a larger student is not fine-tuned without GPUs


def require(experiment: Experiment, todo: Sequence[Node], done: Iterable[Node]) -> None:
    """Stop before any work if something is missing.

    Raises:
        MissingError: naming everything that is missing.
        ConfigError, DataError, CheckpointError: as for `missing`.
    """
    absent = missing(experiment, todo) + _parents(todo, done)
    if absent:
        listing = "".join(f"\n  - {item}" for item in absent)
        instead = "" if experiment.is_mini else "run experiment=mini, which needs none of this, or "
        raise MissingError(
            f"nothing was run, {len(absent)} things are missing here", f"{instead}provide{listing}"
        )


def missing(experiment: Experiment, todo: Sequence[Node]) -> list[str]:
    """What is missing for the nodes that are to do, each with its mend; empty when all is there.

    Raises:
        ConfigError, DataError, CheckpointError: what is there is wrong: a question file, a model's
            dialect, or the arguments of its chat template.
    """
    absent: list[str] = []
    for name, nodes in nodes_by_case(todo).items():
        absent += _missing_of_case(experiment.case(name), nodes)
    absent += [*_drawing(experiment, todo), *_disk(experiment, todo)]
    return list(dict.fromkeys(absent))


def nodes_by_case(todo: Iterable[Node]) -> dict[str, list[Node]]:
    """The nodes of each case; one that several cases share is the first one's.

    The report is of no case.
    """
    found: dict[str, list[Node]] = {}
    for node in (n for n in todo if n.stage != "report"):
        found.setdefault(node.subject.case, []).append(node)
    return found


def _missing_of_case(experiment: Experiment, todo: Sequence[Node]) -> list[str]:
    stages = {node.stage for node in todo}
    absent = [*_machine(experiment, todo), *_packages(todo), *_training(experiment, stages)]
    absent += missing_servers(experiment, todo)
    absent += [*_models(experiment, todo), *_questions(experiment, todo)]
    _check_models(experiment, todo)
    return [*absent, *_benchmarks(experiment, todo), *_sandbox(stages)]


def models(experiment: Experiment, todo: Iterable[Node]) -> dict[str, str]:
    """The models that the nodes need: path -> what for."""
    e = experiment
    needed: dict[str, str] = {}
    for node in todo:
        predictors = node.stage == "synthesize" and "reading" in node.config
        if node.stage in ("predictor", "synthesize"):  # it counts the tokens
            needed[e.author.path] = f"student {e.author.name}"
        if node.stage in ("score", "sft", "evaluate") and not node.subject.direct:
            needed[e.student.path] = f"student {e.student.name}"
        if node.stage == "predictor" or _teacher_writes(node):
            needed[e.teacher.path] = f"teacher {e.teacher.name}"
        if node.stage == "predictor":
            needed[e.predictor.base] = f"predictor {e.predictor.name}, to train from"
            if e.predictor.annotator == "model":
                needed[e.annotator.path] = f"annotator {e.annotator.name}"
        if predictors and e.predictor.source == "checkpoint":
            needed[e.predictor.student] = f"predictor {e.predictor.name}, for the student"
            needed[e.predictor.teacher] = f"predictor {e.predictor.name}, for the teacher"
    return needed


def weights(e: Experiment, todo: Iterable[Node]) -> set[str]:
    """Of these models, those that are computed with here: servers elsewhere have their own."""
    here = set(models(e, todo))
    if served_elsewhere(e.engine, e.serve):
        here -= {e.teacher.path, e.annotator.path}
        if not any(node.stage in ("score", "sft") for node in todo):
            here -= {e.student.path, e.author.path}
    return here


def _teacher_writes(node: Node) -> bool:
    return "teacher" in roles(node)


def _machine(e: Experiment, todo: Sequence[Node]) -> Iterator[str]:
    if visible_gpus():
        return
    stages = {node.stage for node in todo}
    generating = any(roles(node) for node in todo)
    if generating and e.engine.kind == "transformers" and e.engine.device == "cuda":
        yield "a GPU, for engine.device=cuda; set engine.device=auto"
    if "sft" in stages and e.student.parameters > LARGE:
        size = f"{e.student.parameters / 1e9:.1f}B parameters"
        yield f"a GPU, to fine-tune {e.student.name} with {size}"


def _packages(todo: Sequence[Node]) -> Iterator[str]:
    if any(map(is_pool, todo)):
        yield from _package("datasketch", "questions=paper; pip install -e '.[questions]'")


def _drawing(e: Experiment, todo: Iterable[Node]) -> Iterator[str]:
    if e.cases and any(node.stage == "report" for node in todo):
        for name in ("matplotlib", "scipy"):
            yield from _package(name, "tables and figures; pip install -e '.[report]'")


def _training(e: Experiment, stages: set[str]) -> Iterator[str]:
    if "sft" not in stages:
        return
    gpus, here = len(visible_gpus()), e.deepspeed.kind != "none" and e.deepspeed.launcher == "local"
    if here and 0 < gpus < e.deepspeed.processes:
        yield (
            f"{e.deepspeed.processes} GPUs, for deepspeed.processes (this machine has {gpus}); "
            f"set deepspeed.processes={gpus}"
        )
    if e.deepspeed.kind != "none":
        purpose = f"deepspeed={e.deepspeed.kind}"
        yield from _package("deepspeed", f"{purpose}; pip install -e '.[sft]'")
    shape = shape_of(e.student)
    if shape and not shape.shareable(e.deepspeed.sequence_parallel):
        yield (
            f"a student of which deepspeed.sequence_parallel={e.deepspeed.sequence_parallel} "
            f"devices can share the heads ({e.student.name} has {shape.heads}, {shape.kv_heads} of "
            f"keys and values); set it to a divisor of {math.gcd(shape.heads, shape.kv_heads)}"
        )
    if e.train.lora.rank:
        yield from _package("peft", "train.lora; pip install -e '.[sft]'")
    if e.train.memory.activation_offloading and not gpus:
        yield "a GPU, for train.memory.activation_offloading; set it to false"


def _package(name: str, purpose: str) -> Iterator[str]:
    if find_spec(name) is None:
        yield f"the package {name}, for {purpose}"


def _benchmarks(e: Experiment, todo: Iterable[Node]) -> Iterator[str]:
    for key, config in _evaluated(e, todo).items():
        yield from _benchmark_data(key, config)
        packages = set(find_benchmark(config.kind).packages)
        for name in sorted(packages - ({"rbx"} if e.judge.testlib else set())):
            yield from _package(name, f"benchmark {key}; pip install -e '.[benchmarks]'")


def _benchmark_data(key: str, config: BenchmarkConfig) -> Iterator[str]:
    if config.path and not Path(config.path).expanduser().is_dir():
        yield f"the folder benchmarks.{key}.path={config.path}"
    if config.kind in kinds() and not config.path:
        for repository in find_benchmark(config.kind).repositories(config):
            if not is_cached(repository):
                yield (
                    f"the data set {repository}, for benchmark {key}; "
                    f"run `hf download --repo-type dataset {repository}` "
                    f"or set benchmarks.{key}.path to a folder that has it"
                )


def _models(e: Experiment, todo: Iterable[Node]) -> Iterator[str]:
    needed = models(e, todo)
    with_weights = weights(e, todo)
    for path, purpose in needed.items():
        try:
            locate(path, path in with_weights)
        except TessyError as error:
            yield f"{purpose}: {error}"


def _questions(e: Experiment, todo: Sequence[Node]) -> Iterator[str]:
    nodes = [node for node in todo if node.stage == "questions"]
    if nodes and e.questions.source == "file":
        try:
            file.load(e.questions)
        except MissingError as error:
            yield str(error)
    for repository, of in data_sets(e.questions) if any(map(is_pool, nodes)) else ():
        try:
            data_files(locate_data(repository, of), of)
        except MissingError as error:
            yield str(error)
    if any(node.config.get("part") == "draw" for node in nodes):
        # Where a benchmark is evaluated as well, `_benchmarks` names its data.
        named = {item for at in _evaluated(e, todo).items() for item in _benchmark_data(*at)}
        for config in against(e):
            yield from _kept_out(config, named)


def _evaluated(e: Experiment, todo: Iterable[Node]) -> dict[str, BenchmarkConfig]:
    names = dict.fromkeys(node.subject.benchmark or "" for node in todo if node.stage == "evaluate")
    return {name: e.benchmarks[name] for name in names}


def _kept_out(config: BenchmarkConfig, named: Set[str]) -> Iterator[str]:
    """What is missing to keep the problems of a benchmark out of the questions, but for `named`."""
    if config.kind not in kinds():
        yield f"questions.decontaminate: {config.kind} is no benchmark; {', '.join(kinds())} are"
    for item in _benchmark_data(config.name, config):
        if item not in named:
            yield f"{item}, or take {config.name} out of questions.decontaminate"


def _check_models(e: Experiment, todo: Iterable[Node]) -> None:
    """Refuse unknown dialects, and arguments that the chat template of a model here lacks."""
    needed = models(e, todo)
    roles = {"student": e.student, "student@author": e.author, "teacher": e.teacher}
    roles["annotator"] = e.annotator
    for role, model in roles.items():
        if model.path not in needed:
            continue
        if model.dialect not in DIALECTS:
            raise ConfigError(
                f"{role}.dialect={model.dialect!r} is unknown", nearest(model.dialect, DIALECTS)
            )
        try:
            folder = locate(model.path, weights=False)
        except TessyError:
            continue  # `_models` says so
        render_arguments(read_source(folder), model.template, f"{role} {model.name}")


def _disk(e: Experiment, todo: Iterable[Node]) -> Iterator[str]:
    needed = sum((estimate(node, e) for node in todo), Estimate()).disk
    free = free_bytes(Path(e.outputs_dir).absolute())
    if needed > free:
        yield (
            f"disk space in {e.outputs_dir}: about {needed / 1e6:,.0f} MB are needed, "
            f"{free / 1e6:,.0f} MB are free; free some or set outputs_dir"
        )


def _sandbox(stages: set[str]) -> Iterator[str]:
    if "evaluate" not in stages:
        return
    from eval.judge.sandbox import check_isolation

    try:
        check_isolation()
    except SandboxError as error:
        yield f"a sandbox to run programs in: {error}"


def _parents(todo: Sequence[Node], done: Iterable[Node]) -> list[str]:
    """What an earlier stage, that was not asked for, has not made yet.

    A report of figures shows as missing what is missing.
    """
    there = {node.fingerprint for node in (*todo, *done)}
    absent = {
        parent.label: f"{parent.label}, which {node.label} needs; add {parent.stage} to stage="
        for node in todo
        if not (node.stage == "report" and node.parents and node.parents[0].subject.case)
        for parent in node.parents
        if parent.fingerprint not in there
    }
    return list(absent.values())
