"""The finished data set of a synthesis: trajectories as JSON lines and as a `datasets` folder."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tessy.errors import TessyError
from tessy.journal import refused, replace_lines
from tessy.records import TRAJECTORIES, Trajectory, dump_line, read_jsonl
from tessy.synthesis.journal import Journal
from tessy.synthesis.parts import Key

DATASET = "dataset"


def store(journal: Journal, order: Sequence[Key], folder: Path) -> Counter[str]:
    """Write the finished samples in `order`, a sample at a time, each file in one rename.

    Returns:
        Counts: samples, each way to finish, and tokens kept by role.

    Raises:
        StorageError: the disk refuses.
    """
    counts: Counter[str] = Counter(samples=0, complete=0, length=0, degenerate=0, failed=0)

    def lines() -> Iterator[str]:
        for key in order:
            done = journal.trajectory(key)
            counts["samples"] += 1
            counts[done.finish] += 1
            counts.update(
                {k: n for k, n in done.tokens.items() if k.endswith(("_kept", "_reused"))}
            )
            yield dump_line(done)

    try:
        replace_lines(folder / TRAJECTORIES, lines())
        _save_dataset(folder)
    except OSError as error:
        if isinstance(error, TessyError):
            raise
        raise refused(folder, error) from error
    return counts


def _save_dataset(folder: Path) -> None:
    """The same records as rows of Arrow files, which `datasets.load_from_disk` reads."""
    import datasets

    target, making, cache = (folder / f"{DATASET}{end}" for end in ("", ".partial", ".cache"))
    for old in (making, cache):
        shutil.rmtree(old, ignore_errors=True)
    datasets.disable_progress_bars()
    rows: Callable[[], Iterator[dict[str, Any]]] = lambda: _rows(folder / TRAJECTORIES)  # noqa: E731
    datasets.Dataset.from_generator(rows, cache_dir=str(cache)).save_to_disk(making)
    datasets.enable_progress_bars()
    shutil.rmtree(cache)
    shutil.rmtree(target, ignore_errors=True)
    making.replace(target)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """Mappings are rows of JSON text, since their keys differ between methods."""
    for done in read_jsonl(path, Trajectory):
        row = done.to_json()
        yield row | {k: json.dumps(row[k]) for k in ("tokens", "seeds", "versions", "metadata")}
