"""What each table and figure of the paper shows, and in which form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["scores", "epochs", "tokens", "shares", "similarity", "points", "losses", "words"]
# What the groups within a panel are: who is trained, who teaches, or how long responses may be.
Grouping = Literal["student", "teacher", "limit"]


@dataclass(frozen=True)
class Figure:
    """A table or figure."""

    key: str  # as in conf/figure
    title: str
    kind: Kind
    groups: Grouping = "student"
    bars: Literal["method", "author"] = "method"  # what is compared within a group
    case_in_bar: bool = False  # a case's name tells its models from those of the first case
    unit: str = "pass@1, percent"


FIGURES = {
    f.key: f
    for f in (
        Figure("table1", "Ways to make the data", "scores"),
        Figure("fig3", "Another student", "scores"),
        Figure("fig4", "Who wrote the data, who is trained on it", "scores", bars="author"),
        Figure("fig5", "Teachers", "scores", groups="teacher"),
        Figure("fig6", "The synthesized responses themselves", "scores", groups="limit"),
        Figure("fig7", "Base model and reasoning model", "scores"),
        Figure("fig8", "Where the responses lie", "points", unit="TF-IDF vectors"),
        Figure("fig9", "Who writes the final answer", "scores"),
        Figure("fig10", "A system prompt for the new data", "scores", case_in_bar=True),
        Figure("fig11", "TESSY after each epoch", "epochs"),
        Figure("fig12", "Length of the responses", "tokens", "teacher", unit="tokens a response"),
        Figure("fig13", "LoRA and full fine-tuning", "scores", case_in_bar=True),
        Figure("fig14", "Similarity of answers", "similarity", unit="cosine similarity"),
        Figure("fig15", "Loss of the fine-tuning", "losses", unit="nats a token"),
        Figure("fig16", "Most frequent words", "words", unit="of 1,000 tokens"),
        Figure("fig17", "Who wrote the tokens", "shares", "teacher", unit="percent of the tokens"),
    )
}


def number(key: str) -> str:
    """How the paper calls it: Table 1, Figure 5."""
    return f"Table {key[5:]}" if key.startswith("table") else f"Figure {key[3:]}"
