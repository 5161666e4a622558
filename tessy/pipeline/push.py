"""`stage=push`: models and data sets to the Hugging Face hub, with their cards; on request only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from tessy.config import Experiment
from tessy.errors import MissingError
from tessy.pipeline.cards import card_of
from tessy.pipeline.node import Node
from tessy.pipeline.store import Store
from train.card import CARD, Score, write_card
from train.job import ADAPTER, MODEL

DATASET = "dataset"
PUSHED = "pushed.json"


def push(node: Node, store: Store, experiment: Experiment) -> Mapping[str, float]:
    """Upload what the node's first parent made; the card has the scores of the other parents.

    The artifact keeps the card as it was pushed, and `pushed.json`, which says where to.

    Returns:
        `files`, those that were uploaded.

    Raises:
        MissingError: the hub cannot be reached, or refuses.
    """
    from huggingface_hub import HfApi

    made, folder = node.parents[0], store.folder(node)
    kind = "model" if made.stage == "sft" else "dataset"
    manifest = store.manifest(made)
    assert manifest is not None  # a parent is complete before its children begin
    scores = [_score(parent, store, experiment) for parent in node.parents[1:]]
    write_card(card_of(made, store, experiment, manifest.counts, scores), folder)
    repository, api = node.config["repository"], HfApi()
    parts = [store.folder(made) / name for name in (MODEL, ADAPTER, DATASET)]
    uploads = {_place(path, parts[0]): path for path in parts if path.is_dir()}
    try:
        api.create_repo(repository, repo_type=kind, private=experiment.hub.private, exist_ok=True)
        for place, path in uploads.items():
            api.upload_folder(
                repo_id=repository,
                repo_type=kind,
                folder_path=path,
                path_in_repo=place or None,
                ignore_patterns=CARD,
                commit_message=f"{path.name} of {made.name}",
            )
        api.upload_file(
            path_or_fileobj=folder / CARD,
            path_in_repo=CARD,
            repo_id=repository,
            repo_type=kind,
            commit_message="Card",
        )
    except OSError as error:  # of the network, of which the hub's refusals are
        said = " ".join(str(error).split())
        raise MissingError(
            f"{kind} {repository} cannot be pushed to {api.endpoint} ({said})",
            "log in with `hf auth login`, and check hub.owner and the network",
        ) from error
    where = {"repository": repository, "kind": kind, "endpoint": api.endpoint}
    (folder / PUSHED).write_text(json.dumps(where, indent=2), encoding="utf-8")
    files = [file for path in uploads.values() for file in path.rglob("*") if file.is_file()]
    return {"files": 1 + len([file for file in files if file.name != CARD])}


def _place(path: Path, model: Path) -> str:
    """Where a folder goes in the repository: an adapter beside its merged model in its own."""
    return ADAPTER if path.name == ADAPTER and model.is_dir() else ""


def _score(node: Node, store: Store, experiment: Experiment) -> Score:
    manifest = store.manifest(node)
    assert manifest is not None
    counts = manifest.counts
    name = experiment.benchmarks[node.subject.benchmark or ""].name
    return Score(name, counts["passed"] / counts["answers"], int(counts["answers"]))
