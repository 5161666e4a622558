"""All tables as one document, typeset where the machine has LaTeX."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

DOCUMENT = "tables.tex"
PROGRAMS = (("tectonic",), ("pdflatex", "-interaction=nonstopmode", "-halt-on-error"))
SECONDS = 120.0


def typeset(folder: Path, tables: Sequence[str]) -> str:
    """Write `folder`/tables.tex, which takes in the tables, and make a PDF of it.

    Returns:
        What came of it, in one sentence: a machine without LaTeX is no error.
    """
    lines = [f"\\input{{{table}}}\n\\clearpage" for table in tables]
    document = "\n".join(
        [
            r"\documentclass{article}",
            r"\usepackage{booktabs,graphicx,pdflscape}",
            r"\usepackage[margin=1cm]{geometry}",
            r"\begin{document}\begin{landscape}\footnotesize",
            *lines,
            r"\end{landscape}\end{document}",
            "",
        ]
    )
    (folder / DOCUMENT).write_text(document, encoding="utf-8")
    program = next((p for p in PROGRAMS if shutil.which(p[0])), None)
    if program is None:
        return f"{DOCUMENT} is not typeset: this machine has neither tectonic nor pdflatex."
    done = subprocess.run(
        [*program, DOCUMENT],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode:
        said = done.stdout.decode(errors="replace").strip().splitlines()[-1:] or ["no output"]
        return f"{DOCUMENT} is not typeset: {program[0]} failed ({said[0]})."
    return "tables.pdf holds all tables."
