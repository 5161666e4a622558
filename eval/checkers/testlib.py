"""Checkers and interactors of a problem's authors: where testlib.h is, what their exit means.

testlib.h (MIT, https://github.com/MikeMirzayanov/testlib) is not copied into tessy: it is found in
the configured folder, in the problem's own, or in the installed package `rbx.cp`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

from tessy.errors import MissingError, SandboxError

HEADER = "testlib.h"
_ACCEPTED, _WRONG, _PRESENTATION, _FAILED, _POINTS = 0, 1, 2, 3, 7


@dataclass(frozen=True)
class Exited:
    """How a checker or an interactor ended by itself."""

    status: int
    stdout: bytes
    stderr: bytes
    name: str  # its source, for errors


# Arguments of a checker and of an interactor, and whether their exit accepts the output.
@dataclass(frozen=True)
class Protocol:
    """How the judge and a checker of some type talk to each other."""

    checker_arguments: str
    interactor_arguments: str
    accepts: Callable[[Exited], bool]


@cache
def header(folder: str = "") -> bytes:
    """The contents of testlib.h.

    Args:
        folder: where it lies; empty looks into the installed package rbx.cp.

    Raises:
        MissingError: it is not there.
    """
    mend = "pip install --no-deps rbx.cp, or set judge.testlib to a folder that has it"
    if folder:
        path = Path(folder) / HEADER
    else:
        try:
            spec = find_spec("rbx")
        except (ImportError, ValueError):
            spec = None
        if spec is None or not spec.submodule_search_locations:
            raise MissingError(f"{HEADER}, which checkers of this benchmark include", mend)
        root = Path(spec.submodule_search_locations[0])
        path = root / "resources" / "predownloaded" / HEADER
    try:
        return path.read_bytes()
    except OSError as error:
        raise MissingError(f"{path}, which checkers include ({error.strerror})", mend) from None


def _default(exited: Exited) -> bool:
    if exited.status in (_ACCEPTED, _WRONG):
        return exited.status == _ACCEPTED
    raise _fault(exited)


def _testlib(exited: Exited) -> bool:
    """Points make a partially right output, which DMOJ's OJBench counts as accepted."""
    if exited.status == _POINTS:
        if not re.search(rb"^points \d+\b", exited.stderr, re.MULTILINE):
            raise _fault(exited)
        return True
    if exited.status == _PRESENTATION:
        return False
    return _default(exited)


def _coci(exited: Exited) -> bool:
    if exited.status != _POINTS:
        return _testlib(exited)
    share = re.search(rb"^partial (\d+)/(\d*[1-9]\d*)$", exited.stderr, re.MULTILINE)
    if share is None or int(share[1]) > int(share[2]):
        raise _fault(exited)
    return True


def _peg(exited: Exited) -> bool:
    """Two lines of numbers are a share of the points; a positive one accepts."""
    lines = exited.stdout.split(b"\n")
    for above, below in pairwise(lines):
        try:
            if float(above) / float(below) > 0:
                return exited.status in (_ACCEPTED, _WRONG) or _default(exited)
        except (ValueError, ZeroDivisionError):
            continue
    return _default(exited)


_FILES = "{input_file} {output_file} {answer_file}"
PROTOCOLS: Mapping[str, Protocol] = {
    "default": Protocol(_FILES, "{input_file} {answer_file}", _default),
    "testlib": Protocol(_FILES, _FILES, _testlib),
    "coci": Protocol(_FILES, "{input_file} {answer_file}", _coci),
    "peg": Protocol("{answer_file} {output_file} {input_file}", "{input_file} {answer_file}", _peg),
}


def _fault(exited: Exited) -> SandboxError:
    said = (exited.stderr or exited.stdout).decode(errors="replace").strip()[:200]
    return SandboxError(
        f"{exited.name} ended with status {exited.status}, which is no verdict "
        f"({said or 'it says nothing'})",
        "look at the problem; the answer was not judged",
    )
