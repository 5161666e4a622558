"""What `stage=compare` can compare: the experiment's models and data sets, and those of folders."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from eval.compare.contenders import Contender
from eval.compare.datasets import DataContender
from eval.report.data import EvaluatedModel
from tessy.config import Experiment
from tessy.errors import ArtifactError
from tessy.pipeline.gathering import Stored, vocabulary_of
from tessy.pipeline.graph import by_case
from tessy.pipeline.node import BASE, Node
from tessy.pipeline.store import MANIFEST, Manifest, Store
from tessy.records import ANSWERS, TRAJECTORIES, JudgedAnswer, read_jsonl

SETTINGS = ("benchmark", "judge")  # of an evaluation's manifest; else answers may differ
POOL = "pool"  # whose questions data sets answer that answer no benchmark's
DATA = "-data"  # ends the name of a data set


def models(
    experiment: Experiment, manifests: Mapping[str, Manifest], store: Store
) -> Iterator[Contender]:
    """The evaluated models, those of all SFT seeds and worlds together."""
    for (label, benchmark), nodes in _groups(experiment, manifests, "evaluate").items():
        evaluated = tuple(
            EvaluatedModel(
                node.subject.method or BASE,
                node.subject.world,
                node.subject.sft_seed,
                node.subject.learning_rate,
                benchmark,
                tuple(read_jsonl(store.folder(node) / ANSWERS, JudgedAnswer)),
                store.folder(node).name,
            )
            for node in nodes
        )
        places = tuple(str(store.folder(node) / ANSWERS) for node in nodes)
        yield Contender(label, benchmark, evaluated, _settings(nodes[0].config), places)


def data_sets(
    experiment: Experiment, manifests: Mapping[str, Manifest], store: Store
) -> Iterator[DataContender]:
    """The data sets, those of all worlds together; samples that were judged with their verdicts."""
    judged = {
        node.parents[0].fingerprint: node
        for _, nodes in by_case(experiment)
        for node in nodes
        if node.subject.direct and node.fingerprint in manifests
    }
    for (label, asked), nodes in _groups(experiment, manifests, "synthesize").items():
        answers = (
            answer
            for node in nodes
            if node.fingerprint in judged
            for answer in read_jsonl(store.folder(judged[node.fingerprint]) / ANSWERS, JudgedAnswer)
        )
        paths = [store.folder(node) / TRAJECTORIES for node in nodes]
        yield DataContender(
            label + DATA,
            asked or POOL,
            [Stored(path) for path in paths],
            {answer.key: answer.passed for answer in answers},
            vocabulary_of(experiment.case(nodes[0].subject.case)),
            tuple(map(str, paths)),
        )


def stored(folder: Path, experiment: Experiment) -> Contender | DataContender:
    """An evaluation or a data set of whatever experiment, by its artifact's folder.

    Raises:
        ArtifactError: it is of another stage.
    """
    manifest = _manifest(folder)
    config = manifest["config"]
    if manifest["stage"] == "synthesize":
        path = folder / TRAJECTORIES
        asked, vocabulary = _asked(folder, manifest, experiment), vocabulary_of(experiment)
        return DataContender(folder.name, asked, [Stored(path)], {}, vocabulary, (str(path),))
    if manifest["stage"] != "evaluate":
        raise ArtifactError(
            f"{folder} is of stage {manifest['stage']}, not evaluate or synthesize",
            "name the folder of an evaluation or of a data set",
        )
    benchmark = _benchmark(config["benchmark"]["kind"], experiment)
    answers = tuple(read_jsonl(folder / ANSWERS, JudgedAnswer))
    world = config.get("world", 0)
    model = EvaluatedModel(folder.name, world, None, None, benchmark, answers, folder.name)
    settings = _settings(config)
    return Contender(folder.name, benchmark, (model,), settings, (str(folder / ANSWERS),))


def _groups(
    experiment: Experiment, manifests: Mapping[str, Manifest], stage: str
) -> dict[tuple[str, str], list[Node]]:
    """What is complete of a stage, by name and benchmark; shared by cases, it is the first's."""
    groups: dict[tuple[str, str], list[Node]] = {}
    seen: set[str] = set()
    dial = len(experiment.with_all_learning_rates()) > 1
    for case, nodes in by_case(experiment):
        shown = f"{case}/" if len(experiment.cases) > 1 else ""
        for node in nodes:
            wanted = node.stage == stage and node.fingerprint in manifests
            if wanted and node.fingerprint not in seen:
                seen.add(node.fingerprint)
                key = shown + _label(node, dial), node.subject.benchmark or ""
                groups.setdefault(key, []).append(node)
    return groups


def _label(node: Node, dial: bool) -> str:
    about = node.subject
    parts = [about.method or BASE]
    if about.direct:
        parts.append("direct")
    if about.epoch is not None:
        parts.append(f"epoch{about.epoch}")
    if dial and about.learning_rate is not None:
        parts.append(f"lr{about.learning_rate:g}")
    return "-".join(parts)


def _asked(folder: Path, manifest: Mapping[str, Any], experiment: Experiment) -> str:
    """Whose questions a data set answers: as many samples as were drawn are of the pool."""
    if "samples" in manifest["config"]:
        return POOL
    questions = _manifest(folder.parents[1] / manifest["parents"][0])
    return _benchmark(questions["config"]["benchmark"]["kind"], experiment)


def _benchmark(kind: str, experiment: Experiment) -> str:
    """The experiment's key of a kind of benchmark."""
    cases: Iterable[Experiment] = experiment.cases.values() or [experiment]
    return {b.kind: key for e in cases for key, b in e.benchmarks.items()}.get(kind, kind)


def _manifest(folder: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    return data


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    plain = json.loads(json.dumps(config))  # as a manifest has it: lists for tuples
    return {key: plain[key] for key in SETTINGS}
