"""A journal survives kills and full disks, and ends as the same bytes."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from eval.journal import Journal
from tessy.errors import DataError, StorageError
from tessy.records import JudgedAnswer, dump_line


def answer(number: int, run: int = 0) -> JudgedAnswer:
    return JudgedAnswer(f"p{number}", run, "antwoord é\n", "complete", 3, "accepted", True)


def test_answers_of_an_earlier_run_are_there(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "answers.jsonl"
    with Journal(path) as journal:
        journal.append(answer(1))
    with Journal(path) as journal:
        assert journal.answers == {("p1", 0): answer(1)}
        assert journal.discarded == 0
        journal.append(answer(2))
    assert path.read_text() == dump_line(answer(1)) + dump_line(answer(2))


@pytest.mark.parametrize("cut", [1, 10, 60])
def test_a_half_written_line_is_cut_off_and_counted(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_bytes((dump_line(answer(1)) + dump_line(answer(2))).encode()[:-cut])
    with Journal(path) as journal:
        assert journal.discarded == 1
        assert list(journal.answers) == [("p1", 0)]
        journal.append(answer(3))
    assert path.read_text() == dump_line(answer(1)) + dump_line(answer(3))


def test_a_finished_file_depends_on_the_answers_alone(tmp_path: Path) -> None:
    order = [("p1", 0), ("p2", 0), ("p3", 0)]
    for name, numbers in (("a", (3, 1, 2)), ("b", (2, 3, 1))):
        with Journal(tmp_path / name) as journal:
            for number in numbers:
                journal.append(answer(number))
            journal.finish(order)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text("{}\n")
    with pytest.raises(DataError, match=r"answers\.jsonl:1"), Journal(path):
        pass


def test_a_folder_that_cannot_be_made_is_one_clear_error() -> None:
    with (
        pytest.raises(StorageError, match=r"/proc/x/y cannot be read or written .*set outputs_dir"),
        Journal(Path("/proc/x/y")),
    ):
        pass


def test_a_full_disk_is_one_clear_error_and_the_whole_lines_survive(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    room = len(dump_line(answer(1)).encode()) + 20
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        with (
            pytest.raises(StorageError, match="cannot be read or written"),
            Journal(path) as journal,
        ):
            journal.append(answer(1))
            journal.append(answer(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with Journal(path) as journal:
        assert list(journal.answers) == [("p1", 0)]
        assert journal.discarded == 1
