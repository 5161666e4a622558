"""The card of an artifact: what was made, of what, how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tessy.config import Experiment
from tessy.pipeline.node import Node
from tessy.pipeline.store import Store
from train.card import Score, data_card, model_card


def card_of(
    node: Node,
    store: Store,
    experiment: Experiment,
    counts: Mapping[str, float],
    scores: Sequence[Score] = (),
) -> str:
    """The card of a node's data set or model."""
    method = node.subject.method or ""
    if node.stage == "synthesize":
        return data_card(method, node.config, counts)
    data = store.folder(node.parent("synthesize")).name
    student = experiment.student.path
    return model_card(student, method, f"synthesize/{data}", node.config, counts, scores)
