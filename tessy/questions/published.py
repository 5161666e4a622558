"""Questions of data sets as they are published on the hub, their answers discarded.

Files are read one after the other and a few rows at a time (the library datasets). An id that the
data set gives is kept; where it gives none, a question is named by its file and row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tessy.errors import DataError, MissingError
from tessy.records import Question

_ROWS = 256  # that are decoded at once
_KEPT = ("source", "difficulty", "license")  # fields that stay in the metadata
_IDS = ("id", "uuid", "question_id")


@dataclass(frozen=True)
class Published:
    """How a data set lies on the hub, or in a folder that is a copy of it."""

    name: str  # source of its questions
    files: tuple[str, ...]  # patterns, the first that matches; in other folders all files
    field: str  # says what a row is about
    value: str  # of that field in questions about code


OPEN_THOUGHTS = Published("open_thoughts", ("data/train-*.parquet",), "domain", "code")
NEMOTRON = Published("nemotron", ("SFT/code/*.jsonl", "data/code-*.parquet"), "category", "code")


def locate_data(repository: str, of: Published) -> Path:
    """The folder of a data set: a local one, or of the Hugging Face cache; nothing is downloaded.

    Raises:
        MissingError: it is neither.
    """
    if Path(repository).expanduser().is_dir():
        return Path(repository).expanduser()
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        found = snapshot_download(repository, repo_type="dataset", local_files_only=True)
    except (LocalEntryNotFoundError, HFValidationError, OSError):
        folder = of.files[0].partition("/*")[0].rpartition("/")[0] or "data"
        raise MissingError(
            f"data set {repository!r} of questions is neither a folder nor in the Hugging Face "
            "cache",
            f"run `hf download --repo-type dataset {repository} --include '{folder}/*'` or set "
            f"questions.{of.name} to a folder that has it",
        ) from None
    return Path(found)


def data_files(folder: Path, of: Published) -> list[Path]:
    """The files of a data set, in their order.

    Raises:
        DataError: there are none.
    """
    for pattern in (*of.files, "**/*.parquet", "**/*.jsonl"):
        found = sorted(folder.glob(pattern))
        if found:
            return found
    raise DataError(
        f"{folder} has no {' or '.join(of.files)}",
        f"set questions.{of.name} to a folder of the data set as published",
    )


def count_rows(path: Path) -> int:
    """The rows of a file, without reading them."""
    if path.suffix == ".parquet":
        import pyarrow
        from pyarrow import parquet

        try:
            return int(parquet.read_metadata(path).num_rows)
        except (OSError, pyarrow.ArrowException) as error:
            raise _unreadable(path, error) from error
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


def read_questions(path: Path, of: Published, counts: Counter[str]) -> Iterator[Question]:
    """The questions about code of one file.

    Args:
        path: the file.
        of: its data set.
        counts: of rows, and of those without a question: of an other_domain, withheld (the
            publisher left the text out), dropped_without_question.

    Raises:
        DataError: the file cannot be read.
    """
    for number, row in enumerate(_rows(path)):
        counts["rows"] += 1
        if row.get(of.field) not in (None, of.value):
            counts["other_domain"] += 1
            continue
        asked = _asked(row)
        if asked is None or not asked.strip():
            counts["dropped_without_question"] += 1
        elif asked.strip() == "-":
            counts["withheld"] += 1
        else:
            place = f"{path.stem}:{number}"
            own = next((str(row[k]) for k in _IDS if row.get(k)), place)
            kept = {k: row[k] for k in _KEPT if row.get(k) is not None}
            yield Question(f"{of.name}/{own}", asked, of.name, {"row": place, **kept})


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    import pyarrow
    from datasets import load_dataset
    from datasets.exceptions import DatasetGenerationError

    kind = "parquet" if path.suffix == ".parquet" else "json"
    options: dict[str, Any] = {"batch_size": _ROWS} if kind == "parquet" else {}
    try:
        files = [str(path)]
        yield from load_dataset(kind, data_files=files, split="train", streaming=True, **options)
    except (
        OSError,
        ValueError,
        TypeError,
        pyarrow.ArrowException,
        DatasetGenerationError,
    ) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(
        f"{path} cannot be read ({str(error) or type(error).__name__:.200})",
        "download the file again, or take it out of the folder",
    )


def _asked(row: Mapping[str, Any]) -> str | None:
    """What the user asks first: in turns of a conversation, or in a field of its own."""
    for name in ("conversations", "messages", "input", "question", "problem"):
        value = row.get(name)
        if isinstance(value, str):
            return value
        for turn in value if isinstance(value, list) else ():
            if turn.get("from", turn.get("role")) in ("human", "user"):
                text = turn.get("value", turn.get("content"))
                return text if isinstance(text, str) else None
    return None
