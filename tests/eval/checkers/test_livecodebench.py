"""Comparisons of LiveCodeBench."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.checkers.livecodebench import same_output, same_value
from tests.eval.checkers.strategies import TEXTS

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("output", "expected", "same"),
    [
        ("1\n2\n", "1\n2", True),
        ("\n\n 1 \n2 \n\n", "1\n2", True),
        ("1\n\n2", "1\n2", False),  # an empty line in the middle counts
        ("1 2", "1\n2", False),
        ("1  2", "1 2", True),  # as decimals
        ("a  b", "a b", False),  # which words are not
        ("1.0 2.50", "1 2.5", True),
        ("1e3", "1000", True),
        ("0.333333", "0.3333333", False),
        ("50000000000000001", "50000000000000000", False),
        ("nan", "nan", True),  # the same line
        ("nan 1", "nan 1.0", False),
        ("sNaN 1", "sNaN 1.0", False),
        ("Yes", "YES", False),
        ("", "", True),
        ("", "\n", True),
        ("1\r\n2\r\n", "1\n2", True),
        ("1\r2", "1\n2", False),
        ("1 x", "1.0 x", False),
    ],
)
def test_outputs(output: str, expected: str, same: bool) -> None:
    assert same_output(output, expected) is same


@given(text=TEXTS)
def test_an_output_is_itself_whatever_stands_around_it(text: str) -> None:
    assert same_output(text, text) and same_output(f"\n {text}\n\n", text)


@pytest.mark.parametrize(
    ("encoded", "expected", "same"),
    [
        ("[1, 2]", "[1, 2]", True),
        ("[1.0, 2]", "[1, 2.0]", True),
        ("true", "1", True),
        ("[[1]]", "[1]", False),
        ('{"a": 1}', '{"a": 1}', True),
        ('[{"not json": "(1, 2)"}]', "[[1, 2]]", False),
        ('[{"not json": "x"}]', '[{"not json": "x"}]', False),
        ("null", "null", True),
        ("0.1", "0.10000000000000001", True),
        ("0.30000000000000004", "0.3", False),
        ("", "1", False),
        ("[" * 100_000, "1", False),
        ("NaN", "NaN", False),
    ],
)
def test_values(encoded: str, expected: str, same: bool) -> None:
    assert same_value(encoded, expected) is same


@given(value=JSON)
def test_a_value_is_itself(value: object) -> None:
    assert same_value(json.dumps(value), json.dumps(value, indent=1))
