"""The user's cache of what the judge compiles: named by its content, made whole or not at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from tessy.errors import StorageError


@cache
def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/tessy/judge`, usually below ~/.cache; ours alone.

    Raises:
        StorageError: it cannot be made, or another user could have put binaries there.
    """
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(base, "tessy", "judge")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        stat = folder.stat()
    except OSError as error:
        raise StorageError(
            f"the judge's cache {folder} cannot be made ({error.strerror})",
            "set XDG_CACHE_HOME to a folder that you may write to",
        ) from None
    if stat.st_uid != os.geteuid() or stat.st_mode & 0o022:
        raise StorageError(
            f"the judge's cache {folder} can be written by others, who could put programs there",
            f"run `chmod go-w {folder}`, or set XDG_CACHE_HOME to a folder of your own",
        )
    return folder


def digest(*parts: str | bytes) -> str:
    """A name for content; the parts cannot run into each other."""
    hashed = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode(errors="surrogatepass") if isinstance(part, str) else part
        hashed.update(len(data).to_bytes(8, "little") + data)
    return hashed.hexdigest()


def cached(kind: str, name: str, make: Callable[[Path], None]) -> Path:
    """The folder `kind/name` of the cache, filled by `make` if it is not there.

    Two processes may make it at once: each fills a folder of its own, the first one stays.
    """
    target = cache_folder() / kind / name
    if target.is_dir():
        return target
    target.parent.mkdir(mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".making-") as unfinished:
        filled = Path(unfinished, "it")
        filled.mkdir()
        make(filled)
        try:
            filled.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    return target
