"""The cards that lie beside published weights and data: what they are and where they come from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CARD = "README.md"
PAPER = "[arXiv 2604.14164](https://arxiv.org/abs/2604.14164)"


@dataclass(frozen=True)
class Score:
    """What a model reached on a benchmark."""

    benchmark: str
    pass_at_1: float  # 0 to 1
    answers: int


def model_card(
    student: str,
    method: str,
    data: str,
    settings: Mapping[str, Any],
    counts: Mapping[str, float],
    scores: Sequence[Score] = (),
) -> str:
    """Markdown with the hub's front matter.

    Args:
        student: the model that was trained, by its id on the hub or its folder.
        method: who wrote the data.
        data: artifact of the data set.
        settings: that change the result.
        counts: of the training.
        scores: of the model; none before it is evaluated.
    """
    lines = [
        *_front({"base_model": student, "library_name": "transformers", "tags": ["tessy", "sft"]}),
        f"# {student}, fine-tuned on `{method}` data",
        "",
        f"Supervised fine-tuning of `{student}` on responses written by the method `{method}` of "
        f"{PAPER} with tessy.",
        "",
        *_scores(scores),
        *_table("Data", {"artifact": data, **_chosen(counts, "samples", "dropped", "truncated")}),
        *_table("Training", {**_flat(settings), **_chosen(counts, "steps", "trained", "final")}),
    ]
    return "\n".join(lines)


def data_card(method: str, settings: Mapping[str, Any], counts: Mapping[str, float]) -> str:
    """The same of a data set."""
    lines = [
        *_front({"task_categories": ["text-generation"], "tags": ["tessy", "reasoning"]}),
        f"# Responses by the method `{method}`",
        "",
        f"Written by the method `{method}` of {PAPER} with tessy. A row is a response to one "
        "question; `spans` say who wrote which part of it (`student` or `teacher`), and their "
        "texts, one after the other, are the response.",
        "",
        *_table("How they were made", _flat(settings)),
        *_table("Counts", counts),
    ]
    return "\n".join(lines)


def write_card(card: str, folder: Path) -> None:
    (folder / CARD).write_text(card, encoding="utf-8")


def _front(fields: Mapping[str, Any]) -> list[str]:
    """JSON is YAML, and needs no second quoting."""
    return ["---", *(f"{name}: {json.dumps(value)}" for name, value in fields.items()), "---", ""]


def _scores(scores: Sequence[Score]) -> list[str]:
    if not scores:
        return []
    rows = [f"| {s.benchmark} | {100 * s.pass_at_1:.1f} | {s.answers:,} |" for s in scores]
    return [
        "## Scores",
        "",
        "| benchmark | pass@1, % | answers |",
        "| --- | --- | --- |",
        *rows,
        "",
    ]


def _table(title: str, values: Mapping[str, Any]) -> list[str]:
    rows = [f"| {name} | {_said(value)} |" for name, value in values.items()]
    return [f"## {title}", "", "| | |", "| --- | --- |", *rows, ""]


def _said(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value == int(value) else f"{value:.6g}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def _chosen(counts: Mapping[str, float], *beginnings: str) -> dict[str, float]:
    return {name: float(n) for name, n in counts.items() if name.startswith(beginnings)}


def _flat(settings: Mapping[str, Any], place: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{place}{name}.")
        else:
            found[f"{place}{name}"] = value
    return found
