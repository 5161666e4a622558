"""Data sets as they are published: rows and files, from a local folder or the Hugging Face hub."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tessy.errors import DataError, MissingError

_SUFFIXES = (".jsonl", ".parquet", ".csv")


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
        DataError: no such folder, or no such file in it.
    """
    files = [
        path for path in _walk(folder) if path.suffix in _SUFFIXES and path.name.startswith(prefix)
    ]
    if not files:
        raise DataError(
            f"{folder} has no {prefix or '*'}{', '.join('*' + s for s in _SUFFIXES)}",
            "give the folder of the data as published",
        )
    for path in files:
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
        DataError: `path` is no folder.
        MissingError: the hub does not give the data set.
    """
    if not path:
        return hub_folder(repository, patterns)
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder", f"set path to a copy of {repository}")
    return folder


def _walk(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.rglob("*") if path.is_file())
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror})") from None


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
