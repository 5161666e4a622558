"""A data set is prepared as a stream, whole or not at all, and nothing is lost in silence."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import train.encode
from tessy.config import ModelConfig, TrainConfig
from tessy.dialects.base import Dialect
from tessy.errors import CheckpointError, DataError
from tessy.records import Span, dump_line
from tests.dialects.families import FAMILIES, save
from tests.train.conftest import trajectory
from tests.train.parts import prepared
from train.examples import example
from train.prepared import prepare


def lengths(dialect: Dialect, count: int) -> list[int]:
    return [len(example(trajectory(n), dialect).input_ids) for n in range(count)]


def test_what_is_read_back_is_the_example(
    dialect: Dialect, student: ModelConfig, settings: TrainConfig, tmp_path: Path
) -> None:
    data = prepared([trajectory(n) for n in range(3)], student, settings, tmp_path)
    assert data.lengths == lengths(dialect, 3)
    for number in range(3):
        made = example(trajectory(number), dialect)
        assert data[number].ids.tolist() == made.input_ids.tolist()
        assert data[number].labels.tolist() == made.labels.tolist()
        assert data[number].writers.tolist() == made.writers.tolist()


def test_what_is_dropped_is_counted_and_nothing_is_cut(
    dialect: Dialect, student: ModelConfig, settings: TrainConfig, tmp_path: Path
) -> None:
    all_lengths = lengths(dialect, 8)
    longest = max(all_lengths)
    rows = [trajectory(n) for n in range(8)]
    rows += [trajectory(8, finish="length"), trajectory(9, (), "failed")]
    shorter = replace(settings, max_length=longest - 1)
    data = prepared(rows, student, shorter, tmp_path)
    too_long = all_lengths.count(longest)
    assert data.counts["dropped_over_max_length"] == too_long >= 1
    assert (data.counts["dropped_length"], data.counts["dropped_failed"]) == (1, 1)
    assert data.counts["samples"] == len(data) == 8 - too_long
    assert data.counts["trajectories"] == 10
    assert data.counts["tokens"] == sum(n for n in all_lengths if n < longest)
    assert data.lengths == [n for n in all_lengths if n < longest]


def test_a_sample_is_cut_on_request_and_counted(
    dialect: Dialect, student: ModelConfig, settings: TrainConfig, tmp_path: Path
) -> None:
    all_lengths = lengths(dialect, 4)
    wide = trajectory(4, question="a question that is longer than all that is trained on " * 9)
    limit = min(all_lengths) + 1
    assert len(dialect.prompt_ids(wide.messages)) > limit
    cutting = replace(settings, max_length=limit, overlong="truncate")
    data = prepared([*(trajectory(n) for n in range(4)), wide], student, cutting, tmp_path)
    assert data.lengths == [min(n, limit) for n in all_lengths]
    assert data.counts["truncated_over_max_length"] == sum(n > limit for n in all_lengths)
    assert data.counts["dropped_prompt_over_max_length"] == 1
    whole = example(trajectory(0), dialect)
    assert data[0].ids.tolist() == whole.input_ids.tolist()[:limit]


def test_a_long_sample_stops_the_run_on_request(
    dialect: Dialect, student: ModelConfig, settings: TrainConfig, tmp_path: Path
) -> None:
    (length,) = lengths(dialect, 1)
    strict = replace(settings, max_length=length - 1, overlong="fail")
    says = f"'q0', repeat 0, .* has {length} tokens, more than train.max_length={length - 1}"
    with pytest.raises(DataError, match=says):
        prepared([trajectory(0)], student, strict, tmp_path)


def test_the_order_of_the_file_does_not_matter(
    student: ModelConfig, settings: TrainConfig, tmp_path: Path
) -> None:
    rows = [trajectory(n) for n in range(6)]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    there = prepared(rows, student, settings, tmp_path / "a")
    back = prepared(rows[::-1], student, settings, tmp_path / "b")
    assert there.keys == back.keys and there.counts == back.counts
    assert [s.ids.tolist() for s in there] == [s.ids.tolist() for s in back]


def test_several_processes_write_the_same_files(
    student: ModelConfig, settings: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [trajectory(n) for n in range(40)]
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one = prepared(rows, student, settings, tmp_path / "one")
    monkeypatch.setattr(train.encode, "PARALLEL_ABOVE", 0)
    monkeypatch.setattr(train.encode.os, "sched_getaffinity", lambda _: {0, 1})
    two = prepared(rows, student, settings, tmp_path / "two")
    for file in one.folder.iterdir():
        assert file.read_bytes() == (two.folder / file.name).read_bytes(), file


def test_the_same_sample_twice_is_refused(
    student: ModelConfig, settings: TrainConfig, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DataError) as error:
        prepared([trajectory(1), trajectory(1)], student, settings, tmp_path)
    assert capfd.readouterr().err.endswith("\n"), "the error would stand in the bar's line"
    assert "'q1'" in str(error.value) and "twice" in str(error.value)


@pytest.mark.parametrize("data", [[], [trajectory(finish="degenerate")]])
def test_nothing_to_train_on_is_an_error(
    student: ModelConfig, settings: TrainConfig, tmp_path: Path, data: list
) -> None:
    with pytest.raises(DataError, match="no sample to train on"):
        prepared(data, student, settings, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["t.jsonl"]


def test_a_tokenizer_without_the_dialects_tokens_is_named(
    student: ModelConfig, settings: TrainConfig, tmp_path: Path
) -> None:
    other = save(FAMILIES["gpt_oss"], tmp_path / "other")
    with pytest.raises(CheckpointError, match="needs the token <think>, which the tokenizer in"):
        prepare(tmp_path / "t.jsonl", student, other, settings, tmp_path / "prepared", "test")


def test_memory_does_not_grow_with_the_data(student: ModelConfig, tmp_path: Path) -> None:
    """Of twelve times the data, which is more than may be held."""
    long = " ".join(["the even numbers x % 2 == 0"] * 1000)
    spans = (Span("teacher", "think", long, 9), Span("student", "answer", "ok", 1))
    path = tmp_path / "t.jsonl"
    with path.open("w") as file:
        for number in range(400):
            file.write(dump_line(trajectory(number, spans)))
    script = f"""
import sys
from pathlib import Path
from tessy.config import ModelConfig, TrainConfig
from tessy.machine import peak_memory
from train.prepared import prepare
import train.encode
train.encode.PARALLEL_ABOVE = 1 << 40
student = ModelConfig("s", {student.path!r}, "qwen3", 1e5, 1e5, 512)
config = TrainConfig("t", 1, 4, 1e-3, 1 << 20)
source = Path(student.path)
small = Path({str(tmp_path)!r}) / "small.jsonl"
small.write_text("".join(open({str(path)!r}).readlines()[:32]))
prepare(small, student, source, config, small.with_suffix(""), "small")
before = peak_memory()
data = prepare(Path({str(path)!r}), student, source, config, small.with_suffix(".all"), "all")
after = peak_memory()
print(data.counts["tokens"] * 5 // 1024, (after - before) // 1024)
"""
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    stored, grown = map(int, ran.stdout.split())
    assert stored > 16_000, "the data must be larger than what may be held"
    assert grown < 8_000, f"{grown} kB more than for a twelfth of the data"
