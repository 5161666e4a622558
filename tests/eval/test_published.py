"""Rows and files of published data: from folders, and what is said where the hub gives nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow
import pytest
from huggingface_hub import constants
from pyarrow import parquet

from eval.published import Row, folder_of, hub_folder, indexed, is_cached, row_at, rows
from tessy.errors import DataError, MissingError


def test_rows_of_every_format_come_in_the_order_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"x": 1}\n{"x": 2}\n')
    parquet.write_table(pyarrow.table({"x": [3, 4]}), tmp_path / "b.parquet")
    (tmp_path / "c.csv").write_text('x,y\n5,"two\nlines"\n')
    (tmp_path / "ignored.txt").write_text("x")
    found = list(rows(tmp_path))
    assert [row.values["x"] for row in found if isinstance(row, Row)] == [1, 2, 3, 4, "5"]
    assert found[1].where == f"{tmp_path}/a.jsonl:2"  # type: ignore[union-attr]
    assert [r.values["x"] for r in rows(tmp_path, "b") if isinstance(r, Row)] == [3, 4]


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.jsonl", b"{", "a.jsonl:1 is not JSON"),
        ("a.jsonl", b"[1]\n", "a.jsonl:1 is not a JSON object"),
        ("a.jsonl", b'{"a": "\xff"}', "a.jsonl:1 is not JSON"),
        ("a.parquet", b"PAR1", "a.parquet cannot be read"),
        ("a.csv", b"\xff\xfe", "a.csv cannot be read"),
    ],
)
def test_what_cannot_be_read_is_an_error_among_rows(
    tmp_path: Path, name: str, data: bytes, said: str
) -> None:
    (tmp_path / "z.jsonl").write_text('{"x": 1}\n')
    (tmp_path / name).write_bytes(data)
    bad, good = rows(tmp_path)
    assert isinstance(bad, DataError) and said in str(bad)
    assert isinstance(good, Row) and good.values == {"x": 1}


def test_a_line_is_found_again_by_its_place(tmp_path: Path) -> None:
    lines = [json.dumps({"text": "é" * n}) for n in range(5)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines) + "\n")
    for place, row in indexed([tmp_path / "a.jsonl"]):
        assert row_at(place) == row
    with pytest.raises(DataError, match=r"missing\.jsonl cannot be read"):
        row_at(f"{tmp_path}/missing.jsonl:1:0")


def test_a_field_of_the_wrong_kind_names_its_line() -> None:
    for values, said in (({}, "missing"), ({"a": 1}, "1")):
        with pytest.raises(DataError, match=f"f:3: a is {said}, not a text"):
            Row(values, "f:3").text("a")


def test_a_folder_without_data_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no quater"):
        list(rows(tmp_path, "quater"))
    with pytest.raises(
        DataError,
        match=r"missing is no folder to be read \(No such file.*\); set path to a copy of org/name",
    ):
        folder_of(str(tmp_path / "missing"), "org/name", ("*",))


def test_a_data_set_that_cannot_be_had_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(MissingError, match="data set org/none cannot be had"):
        hub_folder("org/none", ("*",))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert not is_cached("org/name")
    (tmp_path / "datasets--org--name" / "snapshots" / "abc").mkdir(parents=True)
    assert is_cached("org/name")


class Gate(BaseHTTPRequestHandler):
    """The hub's answers about a data set whose terms this user has not accepted."""

    closed = "/"  # what is refused begins so; the rest, of a data set with one file, is told

    def do_GET(self) -> None:
        tree = [{"type": "file", "path": "a.parquet", "size": 3, "oid": "0" * 40}]
        told = tree if "/tree/" in self.path else {"id": "org/x", "sha": "0" * 40}
        refused = self.path.startswith(self.closed)
        body = b"" if refused else json.dumps(told).encode()
        self.send_response(401 if refused else 200)
        if refused:
            self.send_header("X-Error-Code", "GatedRepo")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_HEAD = do_GET  # only what is refused is asked for so: it has no body

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.parametrize("closed", ["/", "/datasets/org/x/resolve/"])  # all of it, or its files
def test_a_gated_data_set_says_what_to_accept_and_to_set(tmp_path: Path, closed: str) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Gate", (Gate,), {"closed": closed}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(tmp_path)}
    code = (
        "from eval.published import hub_folder\nfrom tessy.errors import MissingError\n"
        "try: hub_folder('org/x', ('*',))\nexcept MissingError as error: print(error)"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=kept | endpoint, capture_output=True, text=True
    )
    server.shutdown()
    server.server_close()
    terms = "accept its terms on https://huggingface.co/datasets/org/x and set HF_TOKEN"
    assert done.stdout == f"data set org/x is gated; {terms}\n", done.stderr
