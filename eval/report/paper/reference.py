"""What the paper reports, as data: `paper_results.yaml` beside this file."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

Place = tuple[str, str, str]  # panel, group, bar


@cache
def _all() -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    text = (Path(__file__).parent / "paper_results.yaml").read_text(encoding="utf-8")
    data: dict[str, dict[str, dict[str, dict[str, float]]]] = yaml.safe_load(text)
    return data


def reference(figure: str) -> dict[Place, float]:
    """The paper's values of a table or figure, by place; empty where it prints none."""
    return {
        (panel, group, bar): value
        for panel, groups in _all().get(figure, {}).items()
        for group, bars in groups.items()
        for bar, value in bars.items()
    }
