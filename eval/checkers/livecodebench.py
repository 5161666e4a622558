"""How LiveCodeBench runs and compares: outputs of programs, and what functions return.

Source: the behaviour of `lcb_runner.evaluation.testing_util` of the public benchmark.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any

# What the public runner has imported before the program starts; the later hides the earlier.
_STARS = (
    *("string", "re", "datetime", "collections", "heapq", "bisect", "copy", "math", "random"),
    *("statistics", "itertools", "functools", "operator", "io", "sys", "json", "builtins"),
    "typing",
)
_NAMES = _STARS[:-2]
HEADER = "; ".join(
    [
        *(f"from {name} import *" for name in _STARS),
        *(f"import {name}" for name in _NAMES),
        "sys.setrecursionlimit(50000)",
    ]
)
_FUTURE = re.compile(r"^from __future__ import .*$", re.MULTILINE)

# Calls the function and writes what it returned as the last line, as `same_value` reads it.
_CALL = """
def __tessy_call(make):
    import json, os, sys
    def plain(value):
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, list):
            return [plain(item) for item in value]
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return {key: plain(item) for key, item in value.items()}
        return {"not json": repr(type(value))}
    arguments = [json.loads(line) for line in sys.stdin.read().split("\\n")]
    got = make()(*arguments)
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(0)
    line = json.dumps(plain(list(got) if isinstance(got, tuple) else got))
    sys.stdout.flush()
    data = ("\\n" + line + "\\n").encode()
    while data:
        data = data[os.write(1, data):]
"""


def program(source: str, function: str = "") -> str:
    """The program that is run: the runner's imports, the answer, and the call of its function."""
    future = "".join(line + "\n" for line in _FUTURE.findall(source))
    text = f"{future}{HEADER}\n{_FUTURE.sub('', source)}\n"
    if function:
        made = f"Solution().{function}" if "class Solution" in source else function
        text += f"{_CALL}\n__tessy_call(lambda: {made})\n"
    return text


def same_output(output: str, expected: str) -> bool:
    """Whether two outputs agree line by line, once both are stripped.

    Lines are stripped as well and must be equal in number; two lines agree if they are the same
    or the same list of decimals. There is no tolerance: 1.0 equals 1, 0.3333 does not equal 1/3.
    """
    mine, theirs = _lines(output), _lines(expected)
    return len(mine) == len(theirs) and all(
        a == b or _same_decimals(a, b) for a, b in zip(mine, theirs, strict=True)
    )


def same_value(encoded: str, expected: str) -> bool:
    """Whether a function returned the expected value.

    Args:
        encoded: what `program` has the box write: JSON in which what JSON
            does not know is an object with the one key "not json" (it equals no JSON value).
            A tuple at the top has become a list, as the benchmark compares; one inside has not.
        expected: JSON.
    """
    try:
        return bool(_marked(json.loads(encoded)) == json.loads(expected))
    except (ValueError, RecursionError):  # a program may write there what it likes
        return False


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().split("\n")]


def _same_decimals(mine: str, theirs: str) -> bool:
    try:
        return [Decimal(x) for x in mine.split()] == [Decimal(x) for x in theirs.split()]
    except (InvalidOperation, ValueError):
        return False


class _NotJson:
    """Equal to nothing."""


def _marked(value: Any) -> Any:
    if isinstance(value, list):
        return [_marked(item) for item in value]
    if isinstance(value, dict):
        if list(value) == ["not json"]:
            return _NotJson()
        return {key: _marked(item) for key, item in value.items()}
    return value
