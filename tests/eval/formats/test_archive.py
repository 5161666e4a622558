"""Archives that lie, escape, explode or are broken are refused by name; the rest is read."""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eval.formats.archive import Archive, ArchiveLimits
from tessy.errors import DataError


def zipped(path: Path, files: dict[str, bytes], mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, data, zipfile.ZIP_DEFLATED)
    return path


def refusal(path: Path, limits: ArchiveLimits | None = None) -> str:
    with pytest.raises(DataError) as error:
        Archive(path, limits=limits or ArchiveLimits())
    assert str(path) in str(error.value)
    return str(error.value)


def test_files_are_read_from_the_folder_first_and_then_from_the_archive(tmp_path: Path) -> None:
    zipped(tmp_path / "a.zip", {"1.in": b"packed", "sub/2.in": b"2"})
    (tmp_path / "1.in").write_bytes(b"beside")
    with Archive(tmp_path / "a.zip", tmp_path) as archive:
        assert archive.read("1.in") == b"beside"
        assert archive.read("sub/2.in") == b"2"
        assert archive.names() == {"1.in", "sub/2.in"}
        assert not archive.has("3.in")
        with pytest.raises(DataError, match=r"a\.zip has no file '3\.in'"):
            archive.read("3.in")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1.in", "a.zip"]


@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/etc/passwd", "..", "a\\..\\..\\evil", "C:/evil"]
)
def test_a_name_that_leaves_the_archive_is_refused(tmp_path: Path, name: str) -> None:
    assert "leads out of the archive" in refusal(
        zipped(tmp_path / "a.zip", {"1.in": b"", name: b""})
    )


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int) -> None:
    path = zipped(tmp_path / "a.zip", {"1.in": b"/etc/passwd"}, kind | 0o777)
    assert "'1.in' is a link or a device" in refusal(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_of_packing_that_zip_does_not_use_are_refused(tmp_path: Path, method: int) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
        archive.writestr("1.in", bytes(100))
    assert f"'1.in' is packed by method {method}, not deflate" in refusal(tmp_path / "a.zip")


def test_a_way_out_of_the_folder_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    (tmp_path / "problem").mkdir()
    os.mkfifo(tmp_path / "problem" / "pipe")
    archive = Archive(None, tmp_path / "problem")
    for name in ("../secret", str(tmp_path / "secret"), "pipe", ""):
        assert not archive.has(name)
        with pytest.raises(DataError, match="has no file"):
            archive.read(name)


def test_a_bomb_is_refused_before_it_unpacks(tmp_path: Path) -> None:
    bomb = zipped(tmp_path / "a.zip", {"bomb": bytes(8 << 20)})
    limits = ArchiveLimits(small_bytes=1 << 20)
    assert "bytes that unpack to 8,388,608" in refusal(bomb, limits)
    with Archive(bomb) as archive:  # what is small is let through: tests are often repetitive
        assert len(archive.read("bomb")) == 8 << 20


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (ArchiveLimits(files=1), "has 2 entries"),
        (ArchiveLimits(file_bytes=99), "'1.in' has 100 bytes"),
        (ArchiveLimits(total_bytes=150), "unpacks to 200 bytes"),
    ],
)
def test_sizes_are_bounded(tmp_path: Path, limits: ArchiveLimits, said: str) -> None:
    path = zipped(tmp_path / "a.zip", {"1.in": os.urandom(100), "2.in": os.urandom(100)})
    assert said in refusal(path, limits)


def test_a_file_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning), zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("1.in", b"a")
        archive.writestr("1.in", b"b")
    assert "'1.in' is there twice" in refusal(tmp_path / "a.zip")


def test_a_header_that_lies_about_its_size_reads_no_more_than_it_says(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"1.in": bytes(5000)})
    data = bytearray(path.read_bytes())
    where = data.index(b"PK\x01\x02")
    data[where + 24 : where + 28] = struct.pack("<I", 50)
    path.write_bytes(data)
    with Archive(path) as archive, pytest.raises(DataError, match=r"'1\.in' (has not|is damaged)"):
        archive.read("1.in")


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"not a zip")
    assert "no readable zip archive" in refusal(tmp_path / "a.zip")
    assert "no readable zip archive" in refusal(tmp_path / "missing.zip")


def _good() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.yaml", b"subtasks: []\n" * 9)
        archive.writestr("testdata/1.in", b"1 2\n" * 20)
    return buffer.getvalue()


GOOD = _good()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    edits=st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=4),
    cut=st.integers(0, len(GOOD)),
)
def test_a_damaged_archive_is_read_as_it_was_or_refused(
    tmp_path: Path, edits: list[tuple[int, int]], cut: int
) -> None:
    data = bytearray(GOOD)
    for where, byte in edits:
        data[where] = byte
    path = tmp_path / "a.zip"
    path.write_bytes(data[: cut or None])
    try:
        with Archive(path) as archive:
            for name in archive.names():
                assert isinstance(archive.read(name), bytes)
    except DataError as error:
        assert str(path) in str(error)
