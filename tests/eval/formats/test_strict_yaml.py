"""YAML of test data: what it says, and where it is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.formats.strict_yaml import parse
from tessy.errors import DataError


def test_values_and_their_places() -> None:
    root = parse(b"# tests\na: 1\nb:\n  - {c: x, d: 2.5}\n  - null\ne: yes\n", "f")
    assert root.plain() == {"a": 1, "b": [{"c": "x", "d": 2.5}, None], "e": True}
    field = root.get("b").items()[0].get("d")
    assert (field.line, field.name) == (4, "b[0].d")
    assert root.get("none").value is None and root.get("b").items()[0].get("z").name == "b[0].z"
    assert parse(b"a: 010", "f").get("a").text() == "010"
    assert root.get("none").text("x") == "x"
    assert root.get("none").whole(0, 9, 3) == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1", "f:1: not YAML"),
        ("a:\n  - b\n c: d", "f:3: not YAML"),
        ("", "f is empty"),
        ("a: 1\na: 2", "f:2: 'a' is there twice"),
        ("x: &a [1]\ny: *a", "f:2: alias *a is not read"),
        ("a: !!python/object:os.system x", "f:1: a has the tag"),
        ("a: !!binary aGk=", "f:1: a has the tag"),
        ("a: !own 1", "f:1: a has the tag"),
        ("? [1]\n: 2", "f:1: a key of the file is no text"),
        ("a: 1\n---\nb: 1", "f:2: not YAML"),
        ("a: !!int x", "f:1: a is 'x'"),
        ("a: !!int", "f:1: a is ''"),
        ("a: !!float", "f:1: a is ''"),
        ("[" * 5000, "f:1: nested more than 50 deep"),
        ("a: \x00", "f: not YAML"),
    ],
)
def test_what_is_not_read_is_refused_with_its_line(text: str, said: str) -> None:
    with pytest.raises(DataError) as error:
        parse(text.encode(), "f")
    assert str(error.value).startswith(said)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(DataError, match="f: not YAML"):
        parse(b"\xff\xfe\xfa", "f")
    with pytest.raises(DataError, match="f has 20,000,000 bytes"):
        parse(bytes(20_000_000), "f")


@pytest.mark.parametrize(
    ("text", "ask", "said"),
    [
        ("a: x", lambda r: r.get("a").whole(0, 9), "f:1: a is 'x', not a whole number"),
        ("a: true", lambda r: r.get("a").whole(0, 9), "f:1: a is True, not a whole number"),
        ("a: 10", lambda r: r.get("a").whole(0, 9), "f:1: a is 10, not in 0..9"),
        ("b: 1", lambda r: r.get("a").whole(0, 9), "f:1: a is missing, not a whole number"),
        ("a: [1]", lambda r: r.get("a").text(), "f:1: a is a list, not a text"),
        ("a: {b: 1}", lambda r: r.get("a").items(), "f:1: a is a mapping, not a list"),
        ("- 1", lambda r: r.get("a"), "f:1:  is a list, not a mapping"),
        ("\ntimelimit: 1", lambda r: r.only({"time_limit"}), "f:2: unknown key 'timelimit'; did"),
    ],
)
def test_a_wrong_value_names_its_line_and_field(text: str, ask: object, said: str) -> None:
    with pytest.raises(DataError) as error:
        ask(parse(text.encode(), "f"))  # type: ignore[operator]
    assert str(error.value).startswith(said)


@given(st.text(alphabet="ab:-[]{}#&*!|>\n \t'\"%@?,1.~", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse(text.encode(), "f").plain()
    except DataError as error:
        assert str(error).startswith("f")
