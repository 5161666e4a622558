"""The built-in checkers of DMOJ's judge-server 4.1, by their names in a problem's `init.yml`.

Each is a pure function of what the program wrote and of the answer (after `normalize`, where the
problem is not binary) to whether the output is right. A checker that gives part of a test's points
accepts the output, as DMOJ does.

Source: the documentation of https://docs.dmoj.ca and the behaviour of the package `dmoj` 4.1.0,
with which tests/eval/checkers compares verdicts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tessy.errors import DataError, nearest

_LINES = re.compile(rb"[\r\n]")
_SPACE = re.compile(rb"\s+")

Checker = Callable[..., bool]


def normalize(data: bytes) -> bytes:
    """Test data as DMOJ shows it to programs and checkers.

    Every kind of newline becomes a line feed, and the last line gets one; empty data stays empty.
    """
    if not data:
        return data
    data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return data if data.endswith(b"\n") else data + b"\n"


def standard(output: bytes, answer: bytes) -> bool:
    """White space counts by kind only: a run with a newline differs from one without."""
    return output == answer or _tokens_of_lines(output) == _tokens_of_lines(answer)


def floats(output: bytes, answer: bytes, precision: int = 6, error_mode: str = "default") -> bool:
    """Numbers may differ by 10 ** -precision; what is no number in the answer must be equal.

    Lines without a character are dropped; lines and tokens must be equal in number.

    Args:
        error_mode: "absolute", "relative", or "default": either of them.

    Raises:
        DataError: an error mode that DMOJ does not know, or a precision that is no number.
    """
    if error_mode not in _CLOSE:
        raise DataError(f"error_mode {error_mode!r} of floats", nearest(error_mode, _CLOSE))
    try:
        epsilon = 10 ** -int(precision)
    except (TypeError, ValueError):
        raise DataError(f"precision {precision!r} of floats", "make it a whole number") from None
    mine, theirs = _filled_lines(output), _filled_lines(answer)
    return len(mine) == len(theirs) and all(
        _same_floats(a.split(), b.split(), epsilon, _CLOSE[error_mode])
        for a, b in zip(mine, theirs, strict=True)
    )


def floatsabs(output: bytes, answer: bytes, precision: int = 6) -> bool:
    """`floats` by absolute error."""
    return floats(output, answer, precision, "absolute")


def floatsrel(output: bytes, answer: bytes, precision: int = 6) -> bool:
    """`floats` by relative error."""
    return floats(output, answer, precision, "relative")


def identical(output: bytes, answer: bytes, pe_allowed: bool = True) -> bool:
    """Byte for byte. `pe_allowed` changes what DMOJ says of an output that `standard` accepts."""
    return output == answer


def linecount(output: bytes, answer: bytes, feedback: bool = True) -> bool:
    """Every line of the answer is there, apart from white space at its ends; none too many."""
    mine, theirs = _filled_lines(output), _filled_lines(answer)
    return [line.strip() for line in mine] == [line.strip() for line in theirs]


def linematches(
    output: bytes,
    answer: bytes,
    point_distribution: Sequence[int] = (1,),
    filler_lines_required: bool = True,
) -> bool:
    """At least one line that is worth a point is equal.

    Raises:
        DataError: the points do not fit the lines of the answer.
    """
    mine, theirs = _filled_lines(output), _filled_lines(answer)
    if len(theirs) != len(point_distribution) or sum(point_distribution) == 0:
        raise DataError(
            f"point_distribution {list(point_distribution)} of linematches for "
            f"{len(theirs)} lines of answer",
            "give each line its points, not all of them 0",
        )
    if filler_lines_required and len(mine) != len(theirs):
        return False
    lines = zip(mine, theirs, point_distribution, strict=False)
    return sum(points for a, b, points in lines if a == b) > 0


def sorted_lines(output: bytes, answer: bytes, split_on: str = "lines") -> bool:
    """The same lines (compared by their tokens) in any order, or the same tokens in any order.

    Raises:
        DataError: `split_on` is neither "lines" nor "whitespace".
    """
    if split_on == "whitespace":
        return sorted(output.split()) == sorted(answer.split())
    if split_on != "lines":
        raise DataError(
            f"split_on {split_on!r} of sorted", nearest(split_on, ("lines", "whitespace"))
        )
    mine, theirs = _filled_lines(output), _filled_lines(answer)
    return sorted(line.split() for line in mine) == sorted(line.split() for line in theirs)


def unordered(output: bytes, answer: bytes) -> bool:
    """The same tokens in any order."""
    return sorted_lines(output, answer, "whitespace")


def rstripped(output: bytes, answer: bytes, filter_new_line: bool = False) -> bool:
    """Equal lines apart from white space at their ends."""
    mine, theirs = _LINES.split(output), _LINES.split(answer)
    if filter_new_line:
        mine, theirs = list(filter(None, mine)), list(filter(None, theirs))
    return [line.rstrip() for line in mine] == [line.rstrip() for line in theirs]


def easy(output: bytes, answer: bytes) -> bool:
    """The same characters, whatever their case and order."""
    return Counter(_SPACE.sub(b"", output).lower()) == Counter(_SPACE.sub(b"", answer).lower())


CHECKERS: Mapping[str, Checker] = {
    "standard": standard,
    "floats": floats,
    "floatsabs": floatsabs,
    "floatsrel": floatsrel,
    "identical": identical,
    "linecount": linecount,
    "linematches": linematches,
    "sorted": sorted_lines,
    "unordered": unordered,
    "rstripped": rstripped,
    "easy": easy,
}
ARGUMENTS: Mapping[str, frozenset[str]] = {
    "floats": frozenset({"precision", "error_mode"}),
    "floatsabs": frozenset({"precision"}),
    "floatsrel": frozenset({"precision"}),
    "identical": frozenset({"pe_allowed"}),
    "linecount": frozenset({"feedback"}),
    "linematches": frozenset({"point_distribution", "filler_lines_required"}),
    "sorted": frozenset({"split_on"}),
    "rstripped": frozenset({"filter_new_line"}),
}


def find_checker(name: str, arguments: Mapping[str, Any]) -> Callable[[bytes, bytes], bool]:
    """A built-in checker with its arguments: output, answer -> whether it is right.

    Raises:
        DataError: no such checker, or an argument that it does not have.
    """
    if name not in CHECKERS:
        raise DataError(f"checker {name!r} is unknown", nearest(name, (*CHECKERS, "bridged")))
    known = ARGUMENTS.get(name, frozenset())
    unknown = sorted(set(arguments) - known)
    if unknown:
        raise DataError(
            f"checker {name!r} has no argument {unknown[0]!r}", nearest(unknown[0], known)
        )
    checker = CHECKERS[name]
    return lambda output, answer: checker(output, answer, **arguments)


def _filled_lines(data: bytes) -> list[bytes]:
    """Lines that have a character, be it a space."""
    return list(filter(None, _LINES.split(data)))


def _tokens_of_lines(data: bytes) -> list[list[bytes]]:
    """Two outputs are equal to `standard` exactly if their non-blank lines have equal tokens."""
    return list(filter(None, map(bytes.split, _LINES.split(data))))


def _same_floats(
    mine: list[bytes],
    theirs: list[bytes],
    epsilon: float,
    close: Callable[[float, float, float], bool],
) -> bool:
    if len(mine) != len(theirs):
        return False
    for token, expected in zip(mine, theirs, strict=True):
        try:
            wanted = float(expected)
        except ValueError:
            if token != expected:
                return False
            continue
        try:
            if not close(float(token), wanted, epsilon):
                return False
        except (ValueError, ArithmeticError):
            return False
    return True


# All comparisons are false for NaN, which is therefore never right, not even as the answer.
def _absolute(got: float, wanted: float, epsilon: float) -> bool:
    return abs(got - wanted) <= epsilon


def _relative(got: float, wanted: float, epsilon: float) -> bool:
    ends = wanted * (1 - epsilon), wanted * (1 + epsilon)
    return min(ends) <= got <= max(ends)


def _either(got: float, wanted: float, epsilon: float) -> bool:
    return _absolute(got, wanted, epsilon) or (
        abs(wanted) >= epsilon and abs(1.0 - got / wanted) <= epsilon
    )


_CLOSE: Mapping[str, Callable[[float, float, float], bool]] = {
    "default": _either,
    "absolute": _absolute,
    "relative": _relative,
}
