"""Whatever published data holds, it is read or refused with the file's name; nothing else happens.

The strategies know the formats, so that they come further than noise would: archives with names and
headers of an attacker's choice, YAML with every kind of node, configurations of the right shape
with wrong values, pickles of any instructions, rows with fields of any kind.
"""

from __future__ import annotations

import json
import pickle
import pickletools
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from eval.benchmarks import livecodebench
from eval.benchmarks.livecodebench import _tests
from eval.formats.archive import Archive, ArchiveLimits
from eval.formats.dmoj_init import open_problem
from eval.formats.lightcp import read_config
from eval.formats.pickled import packed_text
from eval.formats.strict_yaml import parse
from eval.published import row_at, rows
from tessy.config import BenchmarkConfig
from tessy.errors import DataError
from tests.eval.fixtures import lcb_pro, ojbench
from tests.eval.fixtures import livecodebench as lcb
from tests.eval.formats.test_pickled import packed

QUICK = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)

NAMES = st.sampled_from(
    [
        "config.yaml",
        "testdata/1.in",
        "../x",
        "/etc/x",
        "a/../../x",
        "C:x",
        "a\\..\\x",
        "",
        ".",
        "a/",
    ]
) | st.text(max_size=8)
MODES = st.sampled_from([0, 0o100644, 0o120777, 0o10644, 0o20644, 0o40755, 0o140777])
WAYS = st.sampled_from(
    [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
EDITS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@QUICK
@given(
    entries=st.lists(st.tuples(NAMES, st.binary(max_size=200), MODES, WAYS), max_size=5),
    edits=EDITS,
    cut=st.integers(0, 30),
)
def test_any_archive_is_read_or_refused(
    tmp_path: Path,
    entries: list[tuple[str, bytes, int, int]],
    edits: list[tuple[float, int]],
    cut: int,
) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data, mode, way in entries:
            info = zipfile.ZipInfo(name.encode(errors="replace").decode())
            info.external_attr = mode << 16
            archive.writestr(info, data, way)
    raw = bytearray(path.read_bytes())
    for where, byte in edits:
        raw[int(where * len(raw))] = byte
    path.write_bytes(raw[: len(raw) - cut])
    limits = ArchiveLimits(files=4, file_bytes=1 << 20, total_bytes=2 << 20)
    try:
        with Archive(path, limits=limits) as archive:
            for name in archive.names():
                assert len(archive.read(name)) <= limits.file_bytes
    except DataError as error:
        assert str(path) in str(error)
    assert [p.name for p in tmp_path.rglob("*")] == ["a.zip"]


_PIECES = (
    *("a", "b", ": ", "- ", "[", "]", "{", "}", "\n", "  ", ",", "? ", "<<: ", "&x ", "*x "),
    *("!!int ", "!!float ", "!!str ", "!!bool ", "!!null ", "!!timestamp ", "!!binary ", "!a "),
    *("!!python/object/apply:os.getcwd ", "!!set ", "!!omap ", "!!value ", "!!merge ", "!<!> "),
    *("2024-01-01", "1:30", "0x", "0b", "010", "1e9", ".inf", ".nan", "-", "+", "_", "=", "~"),
    *("''", '""', "|\n", ">\n", "---", "...", "%TAG ! x\n", "\t", "#", "\ufeff", "\x85", "é"),
)
NODES = st.lists(
    st.sampled_from(_PIECES),
    max_size=14,
).map("".join)


@QUICK
@given(NODES | st.text(max_size=40))
@example("!!int ")  # PyYAML looks at a number's first character
@example("!!float ")
def test_any_yaml_is_read_or_refused(text: str) -> None:
    try:
        parse(text.encode(errors="surrogatepass"), "f").plain()
    except DataError as error:
        assert str(error).startswith("f")


@QUICK
@given(st.binary(max_size=60))
def test_any_bytes_of_yaml_are_read_or_refused(data: bytes) -> None:
    try:
        parse(data, "f").plain()
    except DataError as error:
        assert str(error).startswith("f")


_VALUES: tuple[Any, ...] = (
    *(None, True, 0, 1, 3, -1, 10**30, 0.5, 1e308, float("nan"), float("inf"), "", "1", "1s", "1m"),
    *("testdata/1.in", "1.in", "1.out", "chk.cc", "checker.cpp", "near.py", "bridged", "floats"),
    *("standard", "testlib", "CPP17", "../x", "/etc/passwd", "{input_file}", "{0.x}", "{x!z}"),
)
SCALARS = st.sampled_from(_VALUES) | st.text(max_size=6)


def documents(*names: str) -> st.SearchStrategy[Any]:
    """Mappings of the keys of a format to values of any kind, nested."""
    inner = st.recursive(
        SCALARS,
        lambda child: (
            st.lists(child, max_size=3) | st.dictionaries(st.sampled_from(names), child, max_size=4)
        ),
        max_leaves=12,
    )
    return st.dictionaries(st.sampled_from(names) | st.text(max_size=4), inner, max_size=6)


PRO = documents(
    *("type", "time", "time_limit", "memory", "memory_limit", "checker", "interactor", "filename"),
    *("input_prefix", "input_suffix", "output_suffix", "subtasks", "n_cases", "cases", "score"),
    *("input", "output"),
)
DMOJ = documents(
    *("archive", "test_cases", "in", "out", "points", "checker", "name", "args", "files", "lang"),
    *("type", "flags", "args_format_string", "time_limit", "memory_limit", "interactive"),
    *("binary_data", "output_limit_length", "wall_time_factor", "custom_judge", "precision"),
    *("batched", "preprocessing_time", "split_on"),
)
CASES = [{"n_cases": 2}], [{"cases": [{"input": "1.in", "output": "1.ans"}]}]


@QUICK
@given(document=PRO, subtasks=st.sampled_from(CASES) | st.none())
def test_any_configuration_of_livecodebench_pro_is_read_or_refused(
    tmp_path: Path, document: dict[str, Any], subtasks: Any
) -> None:
    text = yaml.safe_dump(document | ({"subtasks": subtasks} if subtasks else {}))
    path = lcb_pro.archive(tmp_path / "a.zip", lcb_pro.SUM | {"config.yaml": text})
    try:
        with Archive(path) as archive:
            setup = read_config(archive)
            assert all(archive.has(case.input) and case.cpu_seconds > 0 for case in setup.cases)
    except DataError as error:
        assert "a.zip" in str(error)


@QUICK
@given(document=DMOJ, cases=st.booleans())
def test_any_init_of_dmoj_is_read_or_refused(
    tmp_path: Path, document: dict[str, Any], cases: bool
) -> None:
    folder = ojbench.problem(
        tmp_path / "p", "", {"checker.cpp": ojbench.BRIDGED, "near.py": ojbench.MODULE}
    )
    listed = {"archive": "tests.zip", "test_cases": [{"in": "1.in", "out": "1.out"}]}
    (folder / "init.yml").write_text(yaml.safe_dump(listed | document if cases else document))
    try:
        archive, setup = open_problem(folder)
        archive.close()
        assert setup.cases
    except DataError as error:
        assert str(folder) in str(error)


INSTRUCTIONS = st.lists(
    st.sampled_from([opcode.code.encode("latin-1") for opcode in pickletools.opcodes])
    | st.sampled_from([b"\n", b"\x00", b"\x01a", b"\x04\x00\x00\x00abcd", b"os\nsystem\n", b"\xff"])
    | st.sampled_from([pickle.dumps("text", protocol) for protocol in range(6)])
    | st.binary(max_size=6),
    max_size=12,
).map(b"".join)


@QUICK
@given(INSTRUCTIONS)
def test_any_pickle_is_read_or_refused(data: bytes) -> None:
    try:
        assert isinstance(packed_text(packed(data), "row", limit=1 << 20), str)
    except DataError as error:
        assert str(error).startswith("row")


JSON = st.recursive(
    SCALARS,
    lambda child: st.lists(child, max_size=3) | st.dictionaries(st.text(max_size=3), child),
    max_leaves=5,
)
PACKED = INSTRUCTIONS.map(packed) | JSON.map(json.dumps) | JSON.map(json.dumps).map(lcb.packed)


@QUICK
@given(
    changes=st.dictionaries(
        st.sampled_from(list(lcb.row("a", "2024-08-01", [], []))), JSON | PACKED, max_size=4
    )
)
def test_any_row_of_livecodebench_is_read_or_refused(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    good = lcb.row("a", "2024-08-01", [("1", "1")], [("2", "2")])
    (tmp_path / "test5.jsonl").write_text(json.dumps(good | changes) + "\n")
    config = BenchmarkConfig(
        name="x", kind="livecodebench", path=str(tmp_path), split="test5", runs=1
    )
    loaded = livecodebench.load(config, 0)
    assert len(loaded.problems) + len(loaded.unjudged) == 1
    assert all(f"{tmp_path}/test5.jsonl:1" in bad.reason for bad in loaded.unjudged)
    for problem in loaded.problems:
        try:
            assert list(_tests(row_at(problem.data)))
        except DataError as error:
            assert f"{tmp_path}/test5.jsonl:1" in str(error)


@QUICK
@given(data=st.binary(max_size=80), suffix=st.sampled_from([".jsonl", ".csv", ".parquet"]))
def test_any_file_of_rows_is_read_or_refused(tmp_path: Path, data: bytes, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(data)
    for row in rows(tmp_path):
        assert not isinstance(row, DataError) or str(path) in str(row)
    path.unlink()
