"""`config.yaml` of a LiveCodeBench-Pro problem, as its public judge LightCPVerifier reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from eval.formats.archive import Archive
from eval.formats.strict_yaml import Field, parse
from tessy.errors import DataError

CONFIG = "config.yaml"
TESTS = "testdata/"
_KEYS = frozenset(
    {"type", "time_limit", "time", "memory_limit", "memory", "checker", "interactor", "filename"}
    | {"input_prefix", "input_suffix", "output_prefix", "output_suffix", "subtasks"}
)
_SUBTASK = frozenset({"score", "n_cases", "cases", "time", "time_limit", "memory", "memory_limit"})
_CASE = frozenset({"input", "output", "time", "memory"})
_TIME = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*(ms|s)?", re.IGNORECASE)
_MEMORY = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([kmg])?b?", re.IGNORECASE)
_UNITS = {"": 1 / (1 << 20), "k": 1 / 1024, "m": 1, "g": 1024}
_MAX_CASES = 10_000


@dataclass(frozen=True)
class Case:
    """One test: its files in the archive, and its limits."""

    input: str
    answer: str
    cpu_seconds: float
    memory_mb: int
    subtask: int


@dataclass(frozen=True)
class ProblemConfig:
    """How a problem is judged."""

    interactive: bool
    checker: str  # source of the checker (not interactive)
    interactor: str  # source of the interactor (interactive)
    filename: str  # what the submission's source is called; "" is main.cpp
    cases: tuple[Case, ...]


def read_config(archive: Archive) -> ProblemConfig:
    """The configuration in a problem's archive, checked against the files that are there.

    Raises:
        DataError: naming archive, file, line and field.
    """
    root = parse(archive.read(CONFIG), f"{archive.where}/{CONFIG}")
    root.only(_KEYS)
    kind = root.get("type").text("default")
    if kind not in ("default", "interactive"):
        raise root.get("type").wrong("default or interactive, the types that are judged")
    checker = root.get("checker").text("chk.cc")
    interactor = root.get("interactor").text("interactor.cc")
    needed = root.get("interactor" if kind == "interactive" else "checker")
    if not archive.has(interactor if kind == "interactive" else checker):
        missing = interactor if kind == "interactive" else checker
        raise DataError(
            f"{needed.file}:{needed.line}: {needed.name} {missing!r:.80} is not in the archive",
            "download the archive again, or leave the problem out",
        )
    cases = tuple(_cases(root, archive))
    if not cases:
        raise root.get("subtasks").wrong("a list with at least one case")
    return ProblemConfig(
        kind == "interactive", checker, interactor, root.get("filename").text(""), cases
    )


def _cases(root: Field, archive: Archive) -> Iterator[Case]:
    ends = {name: root.get(name).text(default) for name, default in _ENDS.items()}
    number = 0
    for index, subtask in enumerate(root.get("subtasks").items()):
        subtask.only(_SUBTASK)
        count, listed = subtask.get("n_cases"), subtask.get("cases")
        if (count.value is None) == (listed.value is None):
            raise subtask.wrong("a mapping with either n_cases or cases")
        if listed.value is None:
            for _ in range(count.whole(0, _MAX_CASES)):
                number += 1
                yield _case(
                    archive,
                    count,
                    ends["input_prefix"] + str(number) + ends["input_suffix"],
                    ends["output_prefix"] + str(number) + ends["output_suffix"],
                    (subtask, root),
                    index,
                )
            continue
        for case in listed.items():
            case.only(_CASE)
            files = case.get("input").text(), case.get("output").text()
            yield _case(archive, case, *files, (case, subtask, root), index)


_ENDS = {"input_prefix": "", "input_suffix": ".in", "output_prefix": "", "output_suffix": ".ans"}


def _case(
    archive: Archive,
    field: Field,
    stdin: str,
    answer: str,
    levels: tuple[Field, ...],
    subtask: int,
) -> Case:
    """Limits are those of the innermost level that gives them."""
    if answer.endswith(".out") and archive.has(TESTS + answer[: -len(".out")] + ".ans"):
        answer = answer[: -len(".out")] + ".ans"
    for name in (stdin, answer):
        if not archive.has(TESTS + name):
            raise DataError(
                f"{field.file}:{field.line}: {field.name} needs {TESTS + name!r:.80}, "
                "which is not in the archive",
                "download the archive again, or leave the problem out",
            )
    return Case(
        TESTS + stdin,
        TESTS + answer,
        _seconds(_given(levels, "time_limit", "time")),
        _mebibytes(_given(levels, "memory_limit", "memory")),
        subtask,
    )


def _given(levels: tuple[Field, ...], *names: str) -> Field:
    fields = [level.get(name) for level in levels for name in names]
    return next((field for field in fields if field.value is not None), fields[-1])


def _seconds(field: Field) -> float:
    """A time such as 2s, 1500ms or 2 (seconds); 1s where it is missing."""
    found = _TIME.fullmatch(field.text("1s").strip())
    seconds = float(found[1]) / (1000 if (found[2] or "s").lower() == "ms" else 1) if found else 0
    if not 0 < seconds <= 600:
        raise field.wrong("a time such as 2s or 1500ms, at most 600s")
    return seconds


def _mebibytes(field: Field) -> int:
    """A size such as 256m or 1g, in MiB; a bare number counts bytes; 256m where it is missing."""
    found = _MEMORY.fullmatch(field.text("256m").strip())
    size = float(found[1]) * _UNITS[(found[2] or "").lower()] if found else 0
    if not 1 <= size <= 1 << 16:
        raise field.wrong("a size such as 256m or 1g, from 1m to 64g")
    return round(size)
