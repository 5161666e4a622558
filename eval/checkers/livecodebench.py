"""How LiveCodeBench compares: outputs of programs, and what functions return.

Source: the behaviour of `lcb_runner.evaluation.testing_util` of the public benchmark.
"""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import Any


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
        encoded: what `eval.benchmarks.livecodebench` has the box write: JSON in which what JSON
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
