"""One look for all figures: fonts, colours that every common colour vision tells apart, names."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eval.report.charts import NAMES as METHODS

# Okabe and Ito's palette.
COLOURS = {
    "base": "#6b7480",
    "student_only": "#0072b2",
    "teacher_only": "#d55e00",
    "tessy": "#009e73",
    "teacher_mix": "#cc79a7",
    "teacher_think": "#e69f00",
    "teacher_answer": "#56b4e9",
    "teacher_reference": "#8c6d31",
    "teacher_score": "#b5a900",
    "tessy_teacher_answer": "#8fd3bd",
    "teacher": "#d55e00",
    "student": "#0072b2",
    "Student": "#0072b2",
    "Teacher": "#d55e00",
    "TESSY": "#009e73",
}
SPARE = ("#0072b2", "#e69f00", "#cc79a7", "#56b4e9", "#009e73", "#d55e00")
NAMES = {
    **METHODS,
    "tessy_teacher_answer": "TESSY, teacher answers",
    "teacher_only_lora": "Teacher-Only, LoRA",
    "teacher_only_system_prompt": "Teacher-Only, system prompt",
    "student": "written by the student",
    "teacher": "written by the teacher",
    "lcb_v5": "LiveCodeBench V5",
    "lcb_v6": "LiveCodeBench V6",
    "lcb_pro": "LiveCodeBench-Pro",
    "ojbench": "OJBench",
    "gpqa_diamond": "GPQA-Diamond",
    "aime2024": "AIME 2024",
    "aime2025": "AIME 2025",
    "olympiadbench": "OlympiadBench",
    "mini": "miniature world, held out",
    "tokens": "tokens a response",
    "share": "share of the tokens",
    "direct": "models themselves",
}
INK, MUTED, LINE = "#1b1f24", "#59636e", "#d8dee4"
SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "text.color": INK,
    "legend.frameon": False,
    "figure.dpi": 110,
    "savefig.bbox": "tight",
    "savefig.pad_inches": 0.08,
    "pdf.fonttype": 42,  # text stays text
    "text.usetex": False,  # no LaTeX is needed
    "text.parse_math": False,  # a dollar in a name is a dollar
    "hatch.linewidth": 0.6,
}


def name(key: str) -> str:
    """A method, benchmark or model as a figure spells it."""
    panel, comma, rest = key.partition(", ")
    if panel in NAMES:
        return f"{NAMES[panel]}{comma}{rest}"
    known = key.startswith(("teacher_", "student_", "tessy_"))
    return key.replace("_", "-").title() if known else key


def colour(key: str, place: int) -> str:
    """A method's own colour; what is no method is coloured by its place."""
    base = key.removesuffix("_lora").removesuffix("_system_prompt")
    return COLOURS.get(base, SPARE[place % len(SPARE)])


@contextmanager
def drawing() -> Iterator[Any]:
    """matplotlib.pyplot in this look, without a display."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    with plt.rc_context(SETTINGS):
        try:
            yield plt
        finally:
            plt.close("all")


def save(figure: Any, path: Path) -> bytes:
    """Write `path`.png and `path`.pdf; returns the PNG."""
    # Without dates and versions the same numbers give the same bytes.
    figure.savefig(path.with_suffix(".pdf"), metadata={"CreationDate": None, "Producer": None})
    png = io.BytesIO()
    figure.savefig(png, dpi=200, metadata={"Software": None})
    path.with_suffix(".png").write_bytes(png.getvalue())
    return png.getvalue()
