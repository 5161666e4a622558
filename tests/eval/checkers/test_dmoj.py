"""The built-in checkers of DMOJ decide as the package `dmoj` 4.1.0 does (see test_parity)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from eval.checkers.dmoj import CHECKERS, find_checker, normalize
from tessy.errors import DataError
from tests.eval.checkers.strategies import pairs


@pytest.mark.parametrize(
    ("name", "arguments", "output", "answer", "right"),
    [
        ("standard", {}, b"1  2\t3", b" 1 2 3\n\n", True),
        ("standard", {}, b"1\n2", b"1 2", False),
        ("standard", {}, b"1\r2", b"1\n\n2", True),
        ("standard", {}, b"1", b"1.0", False),
        ("standard", {}, b"Yes", b"yes", False),
        ("standard", {}, b"", b"\n \n", True),
        ("standard", {}, b"12", b"1 2", False),
        ("standard", {}, b"1 2 3", b"1 2", False),
        ("standard", {}, b"a\xc2\x85b", b"a b", False),  # white space of ASCII only
        ("floats", {}, b"0.3333331", b"0.333333", True),
        ("floats", {}, b"0.33334", b"0.333333", False),
        ("floats", {}, b"1000000.5", b"1000000", True),  # relative
        ("floats", {"error_mode": "absolute"}, b"1000000.5", b"1000000", False),
        ("floats", {"precision": 2}, b"3.145", b"3.15", True),
        ("floats", {"precision": "2"}, b"3.145", b"3.15", True),
        ("floats", {}, b"x 1.0000001", b"x 1", True),
        ("floats", {}, b"X 1", b"x 1", False),
        ("floats", {}, b"nan", b"nan", False),
        ("floats", {}, b"inf", b"inf", False),
        ("floats", {}, b"1\n\n2\n", b"1\n2", True),
        ("floats", {}, b"1\n \n2\n", b"1\n2", False),  # a line of a space is not empty
        ("floats", {}, b"1 2", b"1\n2", False),
        ("floats", {}, b"word", b"1", False),
        ("floatsabs", {}, b"1000000.5", b"1000000", False),
        ("floatsrel", {}, b"0.0000001", b"0", False),
        ("floatsrel", {}, b"-1000000.5", b"-1000000", True),
        ("identical", {}, b"1\n", b"1\n", True),
        ("identical", {}, b"1", b"1\n", False),
        ("identical", {"pe_allowed": False}, b"1", b"1\n", False),
        ("linecount", {}, b" 1 \n2", b"1\n2\n", True),
        ("linecount", {}, b"1\n3", b"1\n2", False),
        ("linecount", {}, b"1", b"1\n2", False),
        ("linecount", {}, b"1\n2\n3", b"1\n2", False),
        ("linecount", {}, b"", b"", True),
        ("linecount", {}, b"1", b"\n", False),
        ("linematches", {"point_distribution": [1, 2]}, b"1\n3", b"1\n2", True),
        ("linematches", {"point_distribution": [0, 2]}, b"1\n3", b"1\n2", False),
        ("sorted", {}, b"2 b\n1 a", b"1  a\n2 b\n", True),
        ("sorted", {}, b"a 1\n2 b", b"1 a\n2 b", False),
        ("sorted", {"split_on": "whitespace"}, b"b 2 a 1", b"1 a\n2 b", True),
        ("sorted", {}, b"1\n1\n2", b"1\n2\n2", False),
        ("unordered", {}, b"3\n1 2", b"1 2 3", True),
        ("rstripped", {}, b"1 \n2\n", b"1\n2\n", True),
        ("rstripped", {}, b"1\n2", b"1\n2\n", False),
        ("rstripped", {"filter_new_line": True}, b"1\n2", b"1\n\n2\n", True),
        ("easy", {}, b"OLleh", b"hello", True),
        ("easy", {}, b"hell", b"hello", False),
    ],
)
def test_verdict(
    name: str, arguments: dict[str, Any], output: bytes, answer: bytes, right: bool
) -> None:
    assert find_checker(name, arguments)(output, answer) is right


@pytest.mark.parametrize("name", [n for n in CHECKERS if n not in ("floats", "linematches")])
@given(pair=pairs())
def test_an_answer_is_right_unless_it_holds_numbers_that_equal_nothing(
    name: str, pair: tuple[bytes, bytes]
) -> None:
    check, (_, answer) = CHECKERS[name], pair
    odd = any(word in answer for word in (b"nan", b"inf", b"1e400"))
    assert check(answer, answer) or (name.startswith("floats") and odd)


@given(pair=pairs())
def test_looser_checkers_accept_what_stricter_ones_do(pair: tuple[bytes, bytes]) -> None:
    output, answer = pair
    if CHECKERS["standard"](output, answer):
        for looser in ("unordered", "easy"):
            assert CHECKERS[looser](output, answer)
    if CHECKERS["identical"](output, answer):
        assert CHECKERS["standard"](output, answer) and CHECKERS["rstripped"](output, answer)


@given(pair=pairs())
def test_standard_is_symmetric(pair: tuple[bytes, bytes]) -> None:
    output, answer = pair
    assert CHECKERS["standard"](output, answer) == CHECKERS["standard"](answer, output)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("standart", {}, "checker 'standart' is unknown; did you mean 'standard'?"),
        ("floats", {"precison": 3}, "no argument 'precison'; did you mean 'precision'?"),
        ("standard", {"x": 1}, "checker 'standard' has no argument 'x'"),
    ],
)
def test_unknown_names_are_refused(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as error:
        find_checker(name, arguments)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("floats", {"precision": "six"}, "precision 'six'"),
        ("floats", {"error_mode": "rel"}, "did you mean 'relative'"),
        ("sorted", {"split_on": "words"}, "split_on 'words'"),
        ("linematches", {}, "point_distribution [1] of linematches for 2 lines"),
    ],
)
def test_arguments_without_sense_are_a_fault_of_the_problem(
    name: str, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError) as error:
        find_checker(name, arguments)(b"1\n2", b"1\n2")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("data", "normal"),
    [
        (b"", b""),
        (b"1", b"1\n"),
        (b"1\r\n2\r3\n", b"1\n2\n3\n"),
        (b"\r\r\n", b"\n\n"),
        (b"\n", b"\n"),
    ],
)
def test_newlines_of_test_data_are_made_equal(data: bytes, normal: bytes) -> None:
    assert normalize(data) == normal
