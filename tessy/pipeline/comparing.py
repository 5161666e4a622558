"""`stage=compare`: the evaluated models of an experiment, or artifacts named by their folders."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from tessy.config import Experiment
from tessy.errors import ArtifactError, ConfigError, DataError, nearest
from tessy.pipeline.disk import storage_errors
from tessy.pipeline.graph import BASE, Node, by_case
from tessy.pipeline.reporting import report_folder
from tessy.pipeline.stages import ANSWERS
from tessy.pipeline.store import MANIFEST, Manifest, Store
from tessy.records import JudgedAnswer, read_jsonl

if TYPE_CHECKING:
    from eval.compare.compare import Comparison
    from eval.compare.contenders import Contender

SETTINGS = ("benchmark", "judge")  # of an evaluation's manifest; else answers may differ


def compare(
    experiment: Experiment, manifests: Mapping[str, Manifest], store: Store, console: Console
) -> list[Comparison]:
    """Compare, print and write `compare.html`, `.md` and `.json` beside the report.

    Raises:
        ConfigError: a name of `compare` is no model of the experiment and no evaluation's folder.
        DataError: fewer than two are evaluated, or they cannot be compared.
    """
    from eval.compare import show
    from eval.compare.compare import compare as compare_all

    found = _chosen(experiment, list(_contenders(experiment, manifests, store)))
    lonely = [b for b, n in Counter(c.benchmark for c in found).items() if n < 2]
    if not found or lonely:
        listed = ", ".join(f"{c.name} on {c.benchmark}" for c in found) or "nothing"
        raise DataError(
            f"experiment {experiment.name!r} has too little to compare: {listed} is evaluated",
            "run stage=evaluate first, or name two evaluations with compare=[A,B]",
        )
    comparisons = compare_all(found, experiment.report.bootstrap)
    folder = report_folder(experiment)
    with storage_errors(folder):
        show.write(comparisons, experiment.name, folder)
    console.print(show.terminal(comparisons))
    console.print(
        f"Comparison {folder / 'compare.html'} (.md, .json)", markup=False, soft_wrap=True
    )
    return comparisons


def _contenders(
    experiment: Experiment, manifests: Mapping[str, Manifest], store: Store
) -> Iterable[Contender]:
    """The evaluated models, those of all SFT seeds and worlds together."""
    from eval.compare.contenders import Contender
    from eval.report.data import EvaluatedModel

    groups: dict[tuple[str, str], list[Node]] = {}
    seen: set[str] = set()
    for case, nodes in by_case(experiment):
        for node in nodes:
            made = node.stage == "evaluate" and node.fingerprint in manifests
            if made and node.fingerprint not in seen:
                seen.add(node.fingerprint)
                shown = case if len(experiment.cases) > 1 else ""
                label = _label(shown, node, len(experiment.with_all_learning_rates()) > 1)
                groups.setdefault((label, node.subject.benchmark or ""), []).append(node)
    for (label, benchmark), nodes in groups.items():
        models = tuple(
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
        yield Contender(label, benchmark, models, _settings(nodes[0].config), places)


def _label(case: str, node: Node, dial: bool) -> str:
    about = node.subject
    parts = [about.method or BASE]
    if about.direct:
        parts.append("direct")
    if about.epoch is not None:
        parts.append(f"epoch{about.epoch}")
    if dial and about.learning_rate is not None:
        parts.append(f"lr{about.learning_rate:g}")
    return f"{case}/{'-'.join(parts)}" if case else "-".join(parts)


def _chosen(experiment: Experiment, found: Sequence[Contender]) -> list[Contender]:
    """Those that `compare` names, in its order; all where it names none."""
    if not experiment.compare:
        return list(found)
    names = dict.fromkeys(c.name for c in found)
    chosen: list[Contender] = []
    for name in experiment.compare:
        if name in names:
            chosen += [c for c in found if c.name == name]
        elif (Path(name) / MANIFEST).is_file():
            chosen.append(_stored(Path(name), experiment))
        else:
            raise ConfigError(
                f"compare={list(experiment.compare)} names {name!r}, which is no evaluated model "
                "of the experiment and no folder of an evaluation",
                nearest(name, list(names)) if names else "run stage=evaluate first",
            )
    return chosen


def _stored(folder: Path, experiment: Experiment) -> Contender:
    """An evaluation of whatever experiment, by its artifact's folder."""
    from eval.compare.contenders import Contender
    from eval.report.data import EvaluatedModel

    manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    if manifest["stage"] != "evaluate":
        raise ArtifactError(
            f"{folder} is of stage {manifest['stage']}, not evaluate",
            "name the folder of an evaluation",
        )
    config = manifest["config"]
    kind, world = config["benchmark"]["kind"], config.get("world", 0)
    known = {b.kind: key for e in _cases(experiment) for key, b in e.benchmarks.items()}
    benchmark = known.get(kind, kind)
    answers = tuple(read_jsonl(folder / ANSWERS, JudgedAnswer))
    model = EvaluatedModel(folder.name, world, None, None, benchmark, answers, folder.name)
    settings = _settings(config)
    return Contender(folder.name, benchmark, (model,), settings, (str(folder / ANSWERS),))


def _cases(experiment: Experiment) -> Iterable[Experiment]:
    return experiment.cases.values() or [experiment]


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    plain = json.loads(json.dumps(config))  # as a manifest has it: lists for tuples
    return {key: plain[key] for key in SETTINGS}
