"""Data sets as they are published: rows and files, from a local folder or the Hugging Face hub."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from tessy.errors import DataError, MissingError

_SUFFIXES = (".jsonl", ".parquet", ".csv")
_AS_PUBLISHED = "give the folder of the data as published"


@dataclass(frozen=True)
class Row:
    """One row of a data set, and where it stands."""

    values: Mapping[str, Any]
    where: str  # file:line

    def text(self, name: str) -> str:
        """A field that must be a text.

        Raises:
            DataError: it is missing, or something else.
        """
        value = self.values.get(name)
        if not isinstance(value, str):
            found = "missing" if value is None else f"{value!r:.80}"
            raise DataError(f"{self.where}: {name} is {found}, not a text")
        return value


def rows(folder: Path, prefix: str = "") -> Iterator[Row | DataError]:
    """Rows of the folder's *.jsonl, *.parquet and *.csv whose names begin with `prefix`.

    A line that cannot be read is an error in place of a row; the rest goes on.

    Raises:
        DataError: no folder that can be read, or no such file in it.
    """
    for path in files_below(folder, *(f"{prefix}*{suffix}" for suffix in _SUFFIXES)):
        yield from _rows_of(path)


def row_at(data: str) -> Row:
    """The row of a JSON-lines file at an offset, as `indexed` spells it.

    Raises:
        DataError: the file or the line cannot be read.
    """
    path, number, offset = data.rsplit(":", 2)
    try:
        with Path(path).open("rb") as file:
            file.seek(int(offset))
            line = file.readline()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from None
    parsed = _parsed(line, f"{path}:{number}")
    if isinstance(parsed, DataError):
        raise parsed
    return parsed


def indexed(files: Iterable[Path]) -> Iterator[tuple[str, Row | DataError]]:
    """Each row of JSON-lines files with its place (file:line:offset), one in memory at a time."""
    for path in files:
        try:
            with path.open("rb") as file:
                offset = 0
                for number, line in enumerate(file, 1):
                    yield f"{path}:{number}:{offset}", _parsed(line, f"{path}:{number}")
                    offset += len(line)
        except OSError as error:
            yield f"{path}:0:0", DataError(f"{path} cannot be read ({error.strerror})")


def hub_folder(repository: str, patterns: tuple[str, ...]) -> Path:
    """A local copy of the files of a data set on the hub that match the patterns.

    Raises:
        MissingError: no network, no such data set, or a gated one without access.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError

    offline = f"download {repository} elsewhere and set the benchmark's path to its folder"
    try:
        found = snapshot_download(repository, repo_type="dataset", allow_patterns=list(patterns))
    except GatedRepoError:
        raise MissingError(
            f"data set {repository} is gated",
            f"accept its terms on https://huggingface.co/datasets/{repository} and set HF_TOKEN",
        ) from None
    except (HfHubHTTPError, OSError, ValueError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise MissingError(f"data set {repository} cannot be had ({said:.200})", offline) from None
    return Path(found)


def is_cached(repository: str) -> bool:
    """Whether some version of a data set on the hub was downloaded; asks no network."""
    from huggingface_hub.constants import HF_HUB_CACHE

    folder = Path(HF_HUB_CACHE) / f"datasets--{repository.replace('/', '--')}" / "snapshots"
    return folder.is_dir() and any(folder.iterdir())


def folder_of(path: str, repository: str, patterns: tuple[str, ...]) -> Path:
    """The local folder `path`, or where it is empty a copy from the hub.

    Raises:
        DataError: `path` is no folder that can be read.
        MissingError: the hub does not give the data set.
    """
    if not path:
        return hub_folder(repository, patterns)
    return readable_folder(Path(path).expanduser(), f"set path to a copy of {repository}")


def readable_folder(folder: Path, mend: str = _AS_PUBLISHED) -> Path:
    """The folder itself.

    Raises:
        DataError: there is none, or this user may not look into it.
    """
    try:
        os.scandir(folder).close()
    except OSError as error:
        raise DataError(f"{folder} is no folder to be read ({error.strerror})", mend) from None
    return folder


def files_below(folder: Path, *patterns: str, mend: str = _AS_PUBLISHED) -> list[Path]:
    """The files in a folder and those in it whose names match a pattern, in their order.

    Raises:
        DataError: there are none, or this user may not look into one of the folders.
    """
    found: list[Path] = []

    def refuse(error: OSError) -> None:  # by itself a walk leaves out what it cannot look into
        raise DataError(f"{error.filename} is no folder to be read ({error.strerror})", mend)

    for parent, _, names in os.walk(folder, onerror=refuse):
        found += [Path(parent, n) for n in names if any(fnmatchcase(n, p) for p in patterns)]
    if not found:
        raise DataError(f"{folder} has no {', '.join(patterns)}", mend)
    return sorted(found)


def _parsed(line: bytes, where: str) -> Row | DataError:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        return DataError(f"{where} is not JSON ({error})", "download the file again")
    if not isinstance(values, dict):
        return DataError(f"{where} is not a JSON object", "download the file again")
    return Row(values, where)


def _rows_of(path: Path) -> Iterator[Row | DataError]:
    if path.suffix == ".jsonl":
        yield from (row for _, row in indexed([path]))
    elif path.suffix == ".csv":
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                for number, values in enumerate(csv.DictReader(file), 2):
                    yield Row(values, f"{path}:{number}")
        except (OSError, csv.Error, UnicodeDecodeError) as error:
            yield DataError(f"{path} cannot be read ({error})", "download the file again")
    else:
        import pyarrow
        from pyarrow import parquet

        try:
            for number, values in enumerate(parquet.read_table(path).to_pylist(), 1):
                yield Row(values, f"{path}:{number}")
        except (OSError, pyarrow.ArrowException) as error:
            yield DataError(f"{path} cannot be read ({error!s:.200})", "download the file again")
