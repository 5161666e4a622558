"""What a model or a file is, for fingerprints: its id on the hub, or its contents."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from tessy.checkpoints import MINI, MINI_PREFIX

BLOCK = 1 << 16  # bytes read at each place of a large file
BLOCKS = 64  # places, evenly spread; a file of up to 4 MiB is read whole


@cache
def model_identity(path: str) -> str:
    """Name a model by what it is, so that a changed checkpoint is trained and evaluated anew.

    Args:
        path: `mini:NAME`, a local folder (both are identified by their files' contents, wherever
            they lie) or a Hugging Face id (identified by its name).
    """
    folder = MINI / path.removeprefix(MINI_PREFIX) if path.startswith(MINI_PREFIX) else Path(path)
    if not folder.is_dir():
        return path
    digest = hashlib.sha256()
    for file in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(f"{file.relative_to(folder)}\0{file.stat().st_size}\0".encode())
        _add(digest, file)
    return f"sha256:{digest.hexdigest()}"


def file_identity(path: str) -> str:
    """Name a file by its contents, wherever it lies; by its path while it does not exist."""
    if not Path(path).is_file():
        return path
    with Path(path).open("rb") as data:
        return f"sha256:{hashlib.file_digest(data, 'sha256').hexdigest()}"


def _add(digest: hashlib._Hash, file: Path) -> None:
    """Add a file's contents; of a large one a sample, as a training run changes all weights."""
    size = file.stat().st_size
    with file.open("rb") as data:
        if size <= BLOCK * BLOCKS:
            digest.update(data.read())
            return
        for index in range(BLOCKS):
            data.seek((size - BLOCK) * index // (BLOCKS - 1))
            digest.update(data.read(BLOCK))
