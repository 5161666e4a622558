"""The table of stage=score: how foreign each data set is to the untouched student."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table

from tessy.pipeline.node import Node
from tessy.pipeline.store import Manifest


def score_table(nodes: Sequence[Node], manifests: Mapping[str, Manifest]) -> Table:
    """Mean negative log-likelihood of each data set's responses, in nats a token, by writer."""
    table = Table(title="Negative log-likelihood under the untouched student, nats a token")
    for column in ("data", "samples", "teacher tokens", "all", "student's (style)", "teacher's"):
        table.add_column(column, justify="left" if column == "data" else "right")
    for node in nodes:
        counts = manifests[node.fingerprint].counts
        written = counts["student_tokens"] + counts["teacher_tokens"]
        table.add_row(
            node.name,
            f"{counts['samples']:,.0f}",
            f"{counts['teacher_tokens'] / written:.0%}",
            *(_mean(counts, name) for name in ("nll", "nll_student", "nll_teacher")),
        )
    return table


def _mean(counts: Mapping[str, float], name: str) -> str:
    return f"{counts[name]:.4f}" if name in counts else "-"
