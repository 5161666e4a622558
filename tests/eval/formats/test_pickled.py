"""Packed tests: one text is read, everything else refused, and no instruction is carried out."""

from __future__ import annotations

import base64
import os
import pickle
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.formats.pickled import packed_text
from tessy.errors import DataError


def packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data)).decode()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@given(text=st.text())
def test_a_text_is_read_whatever_the_protocol(protocol: int, text: str) -> None:
    assert packed_text(packed(pickle.dumps(text, protocol)), "row") == text


class Attack:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_with_a_class_is_refused_and_not_run(tmp_path: Path, protocol: int) -> None:
    data = pickle.dumps(Attack(tmp_path / "made"), protocol)
    with pytest.raises(DataError, match=r"tests\.jsonl:3: private_test_cases is a pickle with"):
        packed_text(packed(data), "tests.jsonl:3: private_test_cases")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("no base64!", "neither JSON nor packed tests"),
        (base64.b64encode(b"no zlib").decode(), "neither JSON nor packed tests"),
        (base64.b64encode(zlib.compress(b"x" * 99)[:8]).decode(), "ends too early"),
        (packed(b""), "damaged pickle"),
        (packed(b"Vabc"), "damaged pickle"),
        (packed(pickle.dumps(["a"])), "is a pickle with"),
        (packed(pickle.dumps(1)), "is a pickle with"),
        (packed(pickle.dumps(None)), "is a pickle with"),
        (packed(b"Va\nVb\n."), "2 texts"),
        (packed(b"r\xff\xff\xff\xff."), "0 texts"),
        ("é", "neither JSON nor packed tests"),
    ],
)
def test_other_data_is_refused(data: str, said: str) -> None:
    with pytest.raises(DataError) as error:
        packed_text(data, "row")
    assert str(error.value).startswith("row") and said in str(error.value)


def test_a_bomb_is_refused_before_it_unpacks() -> None:
    bomb = packed(pickle.dumps("x" * 1_000_000))
    with pytest.raises(DataError, match="unpacks to more than 1,000 bytes"):
        packed_text(bomb, "row", limit=1000)


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        assert isinstance(packed_text(packed(data), "row"), str)
    except DataError as error:
        assert str(error).startswith("row")
