"""Files that survive a kill, the time of work on them, and what the disk's refusals mean."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tessy.errors import StorageError, TessyError

SESSIONS = ".sessions"  # a line each time a run began or ended its work in the folder
REFUSALS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}
FULL = 1 << 20  # bytes; less free space than this is a full disk


def write_json(path: Path, data: Any) -> None:
    """Write a file so that it is there completely or not at all, even after a power cut."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(data, file, indent=2, ensure_ascii=False, allow_nan=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def free_bytes(path: Path) -> int:
    """Free space where `path` lies or will lie."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


@contextmanager
def storage_errors(folder: Path) -> Iterator[None]:
    """Turn the disk's refusals of whatever library into one clear StorageError."""
    try:
        yield
    except Exception as error:
        refusal = storage_error(error, folder)
        if refusal is None:
            raise
        raise refusal from error


def storage_error(error: BaseException, folder: Path) -> StorageError | None:
    """The StorageError behind `error`, or None if the disk did not refuse anything.

    Args:
        error: what a stage raised; libraries hide the OSError in a cause, or (safetensors, torch)
            in a text, so a full disk is also looked for on the disk itself.
        folder: where the stage writes.
    """
    if isinstance(error, TessyError):
        return None
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, OSError) and link.errno in REFUSALS:
            return _refusal(os.strerror(link.errno), Path(link.filename or folder), folder)
        link = link.__cause__ or link.__context__
    if free_bytes(folder) < FULL:
        return _refusal(os.strerror(errno.ENOSPC), folder, folder)
    return None


def _refusal(reason: str, path: Path, folder: Path) -> StorageError:
    return StorageError(
        f"cannot write {path} ({reason})",
        f"free space or make it writable, or set outputs_dir; what is done in {folder} is kept "
        "and the same command goes on from there",
    )


@contextmanager
def session(folder: Path) -> Iterator[None]:
    """Log when this run works in the folder.

    A run that was killed could not log its end: the next one logs it, as the time of the last
    write in the folder.
    """
    entries = _entries(folder)
    if entries and entries[-1][0] == "began":
        writes = [path.stat().st_mtime for path in contents(folder)]
        _log(folder, "ended", max([entries[-1][1], *writes]))
    _log(folder, "began", time.time())
    try:
        yield
    finally:
        if (folder / SESSIONS).exists():  # gone when the artifact is complete
            _log(folder, "ended", time.time())


def worked_seconds(folder: Path) -> float:
    """Wall time of all sessions in the folder, the running one included."""
    entries = _entries(folder)
    times = [when if what == "ended" else -when for what, when in entries]
    return sum(times) + (time.time() if entries[-1][0] == "began" else 0.0)


def contents(folder: Path) -> list[Path]:
    """The files that a stage wrote into its folder; those that start with a dot are ours."""
    return sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))


def _entries(folder: Path) -> list[tuple[str, float]]:
    path = folder / SESSIONS
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [(what, float(when)) for what, when in (line.split() for line in lines)]


def _log(folder: Path, what: str, when: float) -> None:
    with (folder / SESSIONS).open("a", encoding="utf-8") as log:
        log.write(f"{what} {when:.3f}\n")
