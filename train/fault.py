"""How a process of a training tells what went wrong to the one that started it."""

from __future__ import annotations

import json
from pathlib import Path

from tessy import errors
from tessy.errors import TessyError

FAULTS = "faults"


def write_fault(error: TessyError, folder: Path, rank: int) -> None:
    """Leave an error for the parent."""
    folder.mkdir(exist_ok=True)
    said = {"kind": type(error).__name__, "what": error.what, "mend": error.mend}
    (folder / f"{rank}.json").write_text(json.dumps(said), encoding="utf-8")


def read_fault(folder: Path) -> TessyError | None:
    """The error of the first process that left one, or None."""
    for path in sorted(folder.glob("*.json")):
        said = json.loads(path.read_text(encoding="utf-8"))
        kind: type[TessyError] = getattr(errors, said["kind"])
        return kind(said["what"], said["mend"])
    return None
