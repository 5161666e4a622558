"""Verdicts beside those of the public judge's own checkers.

Needs an interpreter that has the package `dmoj` (4.1.0; it builds with libseccomp-dev):
`DMOJ_PYTHON=/path/to/venv/bin/python pytest tests/eval/checkers`.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eval.checkers.dmoj import find_checker, normalize
from tests.eval.checkers.strategies import pairs

PYTHON = os.environ.get("DMOJ_PYTHON", "")
_SERVER = """
import base64, json, sys, warnings
warnings.simplefilter("ignore")
from dmoj import checkers
from dmoj.problem import TestCase
class case: has_binary_data = False
for line in sys.stdin:
    name, arguments, output, answer = json.loads(line)
    output, answer = base64.b64decode(output), base64.b64decode(answer)
    answer = TestCase._normalize(case, answer)
    check = getattr(checkers, name).check
    try:
        got = check(output, answer, point_value=1, **arguments)
    except Exception as error:
        got = repr(error)
    got = got if isinstance(got, (bool, str)) else got.passed
    print(json.dumps([got, base64.b64encode(answer).decode()]), flush=True)
"""
ARGUMENTS: list[tuple[str, dict[str, Any]]] = [
    ("standard", {}),
    ("floats", {}),
    ("floats", {"precision": 1}),
    ("floats", {"precision": 400}),
    ("floats", {"error_mode": "relative"}),
    ("floats", {"error_mode": "absolute", "precision": 3}),
    ("floatsabs", {}),
    ("floatsrel", {"precision": 2}),
    ("identical", {}),
    ("identical", {"pe_allowed": False}),
    ("linecount", {}),
    ("linecount", {"feedback": False}),
    ("linematches", {"filler_lines_required": False}),
    ("linematches", {"point_distribution": [1, 0, 2]}),
    ("linematches", {"point_distribution": [3, 1], "filler_lines_required": False}),
    ("sorted", {}),
    ("sorted", {"split_on": "whitespace"}),
    ("unordered", {}),
    ("rstripped", {}),
    ("rstripped", {"filter_new_line": True}),
    ("easy", {}),
]


@pytest.fixture(scope="module")
def dmoj() -> Iterator[subprocess.Popen[str]]:
    if not PYTHON:
        pytest.skip("set DMOJ_PYTHON to an interpreter that has the package dmoj")
    with subprocess.Popen(
        [PYTHON, "-c", _SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        yield server
        assert server.stdin
        server.stdin.close()


@settings(
    max_examples=3000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(pair=pairs(), checker=st.sampled_from(ARGUMENTS))
def test_verdicts_are_dmojs(
    dmoj: subprocess.Popen[str], pair: tuple[bytes, bytes], checker: tuple[str, dict[str, Any]]
) -> None:
    assert dmoj.stdin and dmoj.stdout
    (output, answer), (name, arguments) = pair, checker
    encoded = [base64.b64encode(data).decode() for data in pair]
    dmoj.stdin.write(json.dumps([name, arguments, *encoded]) + "\n")
    dmoj.stdin.flush()
    theirs, normal = json.loads(dmoj.stdout.readline())
    assert base64.b64decode(normal) == normalize(answer)
    try:
        mine: bool | str = find_checker(name, arguments)(output, normalize(answer))
    except Exception as error:
        mine = str(error)
    if isinstance(theirs, str):
        assert isinstance(mine, str), (theirs, mine)  # both blame the problem
    else:
        assert mine == theirs
