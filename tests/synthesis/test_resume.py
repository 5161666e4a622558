"""A synthesis that was interrupted anywhere ends as if it had not been."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import datasets
import pytest

from tessy.errors import ArtifactError, ConfigError, DataError, MissingError
from tests.synthesis.parts import SAMPLES, law, run

FEW = SAMPLES[:3]


def test_interrupted_after_every_span_the_result_is_the_same(
    tiny: dict[str, Path], tmp_path: Path
) -> None:
    want, _ = run(tiny, tmp_path / "whole", samples=FEW, limit=60)
    lines = (tmp_path / "whole" / "journal.jsonl").read_bytes().splitlines(keepends=True)
    assert len(lines) > 15
    for n in range(len(lines)):
        folder = tmp_path / str(n)
        folder.mkdir()
        half = lines[n][: len(lines[n]) * (n % 3) // 3]  # and within the next line
        (folder / "journal.jsonl").write_bytes(b"".join(lines[:n]) + half)
        done, counts = run(tiny, folder, samples=FEW, limit=60, k=1 + n % 9, rows=1 + n % 3)
        assert law(done) == law(want), f"after {n} lines"
        assert counts.get("truncated_lines", 0) == bool(half)
        finished = sum(json.loads(line)["kind"] == "done" for line in lines[:n])
        assert counts["resumed_samples"] == finished
        again, counts = run(tiny, folder, samples=FEW, limit=60)  # what it appended can be read
        assert law(again) == law(want) and counts["resumed_samples"] == len(FEW)


def _child(tiny: dict[str, Path], folder: Path) -> None:
    run(tiny, folder, rows=3)


def test_killed_for_real_it_goes_on(tiny: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    folder.mkdir()
    journal = folder / "journal.jsonl"
    child = multiprocessing.get_context("spawn").Process(target=_child, args=(tiny, folder))
    child.start()
    while child.is_alive() and not (journal.exists() and journal.read_bytes().count(b"\n") > 12):
        time.sleep(0.01)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    assert not (folder / "trajectories.jsonl").exists(), "killed too late to test anything"
    done, counts = run(tiny, folder)
    assert counts["resumed_samples"] + counts["resumed_spans"] > 0
    want, _ = run(tiny, tmp_path / "whole")
    assert law(done) == law(want)


def test_a_finished_synthesis_is_not_made_again(tiny: dict[str, Path], tmp_path: Path) -> None:
    first, counts = run(tiny, tmp_path, kind="teacher_only", samples=FEW)
    journal = (tmp_path / "journal.jsonl").read_bytes()
    again, more = run({**tiny, "teacher": tmp_path / "gone"}, tmp_path, "teacher_only", samples=FEW)
    assert again == first and (tmp_path / "journal.jsonl").read_bytes() == journal
    assert more["resumed_samples"] == 3
    assert {k: more[k] for k in ("teacher_generated", "teacher_kept", "complete")} == {
        k: counts[k] for k in ("teacher_generated", "teacher_kept", "complete")
    }


def test_the_data_set_holds_the_trajectories(tiny: dict[str, Path], tmp_path: Path) -> None:
    done, counts = run(tiny, tmp_path, samples=FEW)
    rows = datasets.load_from_disk(str(tmp_path / "dataset"))
    assert len(rows) == 3
    for row, t in zip(rows, done, strict=True):
        want = json.loads(json.dumps(t.to_json()))
        mappings = {k: json.loads(row[k]) for k in ("tokens", "seeds", "versions", "metadata")}
        assert dict(row) | mappings == want
    for key in ("student_generated", "teacher_generated", "student_kept", "teacher_kept"):
        assert counts[key] == sum(t.tokens[key] for t in done)
    assert 0 < counts["thrown_away"] < counts["student_generated"] + counts["teacher_generated"]


def test_a_corrupt_journal_is_one_error_that_names_the_line(
    tiny: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "journal.jsonl").write_text('{"kind": "span"}\n{"kind"\n')
    with pytest.raises(ArtifactError, match=r"journal\.jsonl:1 "):
        run(tiny, tmp_path)
    assert (tmp_path / "journal.jsonl").read_text() == '{"kind": "span"}\n{"kind"\n'


def test_bad_requests_are_refused_before_any_model_is_loaded(
    tiny: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="'q99'"):
        run(tiny, tmp_path, samples=[("q99", 0)])
    with pytest.raises(ConfigError, match="did you mean 'tessy'"):
        run(tiny, tmp_path, kind="tesy")
    with pytest.raises(MissingError):
        run({**tiny, "predictor": tmp_path / "none"}, tmp_path)
