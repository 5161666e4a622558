"""`init.yml` of a problem in DMOJ's format, as far as OJBench needs it.

What is not read here is refused by its name: a problem that would be judged by other rules than its
authors' is counted as unjudged, never scored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eval.checkers.dmoj import find_checker
from eval.checkers.testlib import PROTOCOLS
from eval.formats.archive import Archive
from eval.formats.strict_yaml import Field, parse
from tessy.errors import DataError, nearest

CONFIG = "init.yml"
UNSUPPORTED = ("custom_judge", "signature_grader", "generator", "generator_args", "symlinks")
_KEYS = frozenset(
    {"archive", "test_cases", "checker", "points", "binary_data", "output_limit_length"}
    | {"wall_time_factor", "interactive", "unbuffered", "hints", "output_prefix_length"}
    | {"short_circuit", "pretest_test_cases", "meta", *UNSUPPORTED}
)
_CASE = frozenset(
    {"in", "out", "points", "checker", "binary_data", "output_limit_length", "wall_time_factor"}
    | {"output_prefix_length", "batched", "dependencies", *UNSUPPORTED}
)
_HELPER = frozenset(
    {"files", "lang", "type", "flags", "args_format_string", "time_limit", "memory_limit"}
    | {"compiler_time_limit", "feedback", "preprocessing_time", "unbuffered"}
)
_CPP = (".cpp", ".cc", ".cxx", ".h", ".hpp")
_STANDARDS = {
    "": "gnu++17",
    **{f"CPP{year}": f"gnu++{year}" for year in ("03", "11", "14", "17", "20", "23")},
}
_MAX_CASES = 10_000
OUTPUT_BYTES = 25_165_824


@dataclass(frozen=True)
class Helper:
    """A program of the problem's authors: a bridged checker or an interactor, in C++."""

    files: tuple[str, ...]  # the source, then headers
    kind: str  # a key of eval.checkers.testlib.PROTOCOLS
    flags: tuple[str, ...] = ()
    standard: str = "gnu++17"
    arguments: str = ""  # a format string in place of the protocol's
    cpu_seconds: float = 20.0
    preprocessing_seconds: float = 2.0  # that an interactor has beyond the submission's time
    memory_mb: int = 512


@dataclass(frozen=True)
class Check:
    """What decides about an output: a built-in checker with arguments, or a program."""

    name: str = "standard"  # or "bridged", or "module"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    helper: Helper | None = None
    module: str = ""  # file of a Python checker


@dataclass(frozen=True)
class Case:
    """One test."""

    input: str  # "" is no input
    answer: str  # "" is no answer
    check: Check
    binary: bool
    output_bytes: int
    wall_factor: float


@dataclass(frozen=True)
class ProblemInit:
    """How a problem is judged."""

    cases: tuple[Case, ...]
    interactive: Helper | None


def open_problem(folder: Path) -> tuple[Archive, ProblemInit]:
    """A problem's folder: its files, which the caller closes, and how it is judged.

    Raises:
        DataError: naming file, line and field, or the kind of problem that is not supported.
    """
    beside = Archive(None, folder)
    root = parse(beside.read(CONFIG), str(folder / CONFIG))
    root.only(_KEYS)
    _refuse(root)
    name = root.get("archive")
    archive = beside
    if name.value is not None:
        if Path(name.text()).name != name.text() or not (folder / name.text()).is_file():
            raise name.wrong("a zip file in the problem's folder")
        archive = Archive(folder / name.text(), folder)
    try:
        return archive, _init(root, archive)
    except DataError:
        archive.close()
        raise


def _init(root: Field, archive: Archive) -> ProblemInit:
    listed = root.get("test_cases")
    if not isinstance(listed.value, tuple):
        raise listed.wrong("a list of {in, out}; patterns of names are not supported")
    if not 0 < len(listed.items()) <= _MAX_CASES:
        raise listed.wrong(f"a list of 1 to {_MAX_CASES:,} test cases")
    interactive = root.get("interactive")
    return ProblemInit(
        tuple(_case(case, root, archive) for case in listed.items()),
        None if interactive.value is None else _helper(interactive, archive),
    )


def _refuse(level: Field) -> None:
    """Say which feature a problem needs that is not supported."""
    for name in UNSUPPORTED:
        found = level.mapping().get(name)
        if found is not None and found.value not in (None, (), {}):
            raise DataError(
                f"{found.file}:{found.line}: {found.name} is not supported",
                "the problem is counted as unjudged",
            )


def _case(case: Field, root: Field, archive: Archive) -> Case:
    case.only(_CASE)
    _refuse(case)
    if case.get("batched").value is not None:
        raise DataError(
            f"{case.file}:{case.line}: {case.get('batched').name} is not supported",
            "the problem is counted as unjudged",
        )

    def given(name: str) -> Field:
        own = case.get(name)
        return own if own.value is not None else root.get(name)

    def file(key: str) -> str:
        name = case.get(key)
        if name.value is not None and not archive.has(name.text()):
            raise DataError(
                f"{name.file}:{name.line}: {name.name} {name.text()!r:.80} is not there",
                "download the problem again, or leave it out",
            )
        return name.text("")

    return Case(
        input=file("in"),
        answer=file("out"),
        check=_check(given("checker"), archive),
        binary=_flag(given("binary_data")),
        output_bytes=given("output_limit_length").whole(1, 1 << 30, OUTPUT_BYTES),
        wall_factor=_number(given("wall_time_factor"), 3.0, 100.0),
    )


def _check(checker: Field, archive: Archive) -> Check:
    """A name, or a name with arguments; a name with a dot is a Python file of the problem."""
    if checker.value is None:
        return Check()
    arguments: Field | None = None
    name = checker
    if isinstance(checker.value, dict):
        checker.only({"name", "args"})
        name = checker.get("name")
        arguments = checker.get("args") if checker.get("args").value is not None else None
    if "." in name.text():
        if not archive.has(name.text()):
            raise name.wrong("a checker or a Python file in the problem's folder")
        return Check("module", arguments.plain() if arguments else {}, module=name.text())
    if name.text() == "bridged":
        return Check("bridged", helper=_helper(arguments or checker.get("args"), archive))
    plain = arguments.plain() if arguments else {}
    try:
        find_checker(name.text(), plain)
    except DataError as error:
        raise DataError(f"{name.file}:{name.line}: {error.what}", error.mend) from None
    return Check(name.text(), plain)


def _helper(helper: Field, archive: Archive) -> Helper:
    helper.only(_HELPER)
    listed = helper.get("files")
    one = not isinstance(listed.value, tuple)
    files = [listed.text()] if one else [item.text() for item in listed.items()]
    for name in files:
        if not archive.has(name):
            raise listed.wrong("files of the problem")
        if not name.endswith(_CPP):
            raise listed.wrong("C++ files, the only ones that are supported")
    files.sort(key=lambda name: name.endswith((".h", ".hpp")))  # the source first
    if sum(not name.endswith((".h", ".hpp")) for name in files) != 1:
        raise listed.wrong("a single source, beside its headers")
    kind = helper.get("type").text("default")
    if kind not in PROTOCOLS:
        mend = nearest(kind, PROTOCOLS)
        place = helper.get("type")
        raise DataError(f"{place.file}:{place.line}: {place.name} {kind!r:.80} is unknown", mend)
    flags, lang = helper.get("flags"), helper.get("lang")
    if lang.text("") not in _STANDARDS:
        raise lang.wrong("a C++ that is supported: " + ", ".join(filter(None, _STANDARDS)))
    arguments = helper.get("args_format_string")
    try:
        arguments.text("").format(input_file="", output_file="", answer_file="")
    except (LookupError, ValueError, AttributeError):
        raise arguments.wrong("made of {input_file}, {output_file} and {answer_file}") from None
    return Helper(
        files=tuple(files),
        kind=kind,
        flags=() if flags.value is None else tuple(flag.text() for flag in flags.items()),
        standard=_STANDARDS[lang.text("")],
        arguments=arguments.text(""),
        cpu_seconds=_number(helper.get("time_limit"), 20.0, 600.0),
        preprocessing_seconds=_number(helper.get("preprocessing_time"), 2.0, 600.0),
        memory_mb=max(16, helper.get("memory_limit").whole(1, 1 << 26, 512 << 10) >> 10),
    )


def _flag(value: Field) -> bool:
    if value.value is not None and not isinstance(value.value, bool):
        raise value.wrong("true or false")
    return bool(value.value)


def _number(value: Field, default: float, most: float) -> float:
    if value.value is None:
        return default
    if isinstance(value.value, bool) or not isinstance(value.value, int | float):
        raise value.wrong("a number")
    if not 0 < value.value <= most:
        raise value.wrong(f"above 0 and at most {most:g}")
    return float(value.value)
