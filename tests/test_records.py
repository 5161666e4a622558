"""Records are read quickly, and as strictly as slowly."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tessy.errors import DataError
from tessy.records import Trajectory, parse_line
from tests.train.conftest import trajectory

OTHERS: tuple[Any, ...] = (None, True, 1, 1.0, 1.5, "x", "student", [], {}, [1], {"a": 1})


def changed(given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The object with each of its values replaced by each of OTHERS, deleted, or joined by one
    under another key."""

    def ways(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        if way:
            yield way
        if isinstance(value, dict | list):
            for key in value if isinstance(value, dict) else range(len(value)):
                yield from ways(value[key], (*way, key))

    for *outer, key in ways(given):
        for change in (*(("set", other) for other in OTHERS), ("drop", None), ("add", None)):
            made = copy.deepcopy(given)
            holder: Any = made
            for step in outer:
                holder = holder[step]
            if change[0] == "set":
                holder[key] = change[1]
            elif change[0] == "drop":
                del holder[key]
            elif isinstance(holder, dict):
                holder["another"] = 1
            yield made


def test_a_line_is_read_as_its_object_is() -> None:
    given = json.loads(json.dumps(trajectory(0).to_json()))
    refused = 0
    for data in changed(given):
        try:
            slowly: object = Trajectory.from_json(data, "f:1")
        except DataError as error:
            slowly, refused = str(error), refused + 1
        try:
            quickly: object = parse_line(json.dumps(data), Trajectory, "f:1")
        except DataError as error:
            quickly = str(error)
        assert repr(quickly) == repr(slowly), data
    assert refused > 200


def test_a_line_that_is_not_json_is_named() -> None:
    with pytest.raises(DataError, match="f:7 is not JSON"):
        parse_line('{"question_id": ', Trajectory, "f:7")
