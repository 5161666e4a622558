"""The whole path, small and real: the command a newcomer types, cut to a few samples."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SMALL = (
    "experiment=mini",
    "questions.samples=24",
    "questions.unique=16",
    "benchmarks.mini.problems=10",
    "train.global_batch=8",
    "train.micro_batch=8",
    "report.bootstrap=200",
)
KEYS = {
    "method",
    "benchmark",
    "pass_at_1",
    "ci95",
    "n_problems",
    "n_runs",
    "delta_vs_base",
    "delta_ci95",
}


def command(outputs: Path, *more: str) -> list[str]:
    return [sys.executable, str(ROOT / "run.py"), *SMALL, f"outputs_dir={outputs}", *more]


def run(outputs: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(outputs, *more), cwd=outputs.parent, capture_output=True, text=True, timeout=280
    )


def results(outputs: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(
        (outputs / "reports" / "mini" / "results.json").read_text()
    )
    return rows


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs of a run from start to end, with W&B offline."""
    outputs = tmp_path_factory.mktemp("whole") / "outputs"
    done = run(outputs)
    assert done.returncode == 0, done.stderr
    assert "tessy" in done.stdout and "report.html" in done.stdout
    return outputs


def test_one_command_ends_with_a_row_for_the_base_model_and_each_method(undisturbed: Path) -> None:
    rows = results(undisturbed)
    assert [r["method"] for r in rows] == ["base", "student_only", "teacher_only", "tessy"]
    for row in rows:
        assert set(row) >= KEYS
        assert row["n_problems"] == 10
        assert row["ci95"][0] <= row["pass_at_1"] <= row["ci95"][1]


def test_every_span_of_the_data_keeps_its_writer(undisturbed: Path) -> None:
    writers = {}
    for folder in (undisturbed / "artifacts" / "synthesize").glob("[!.]*"):
        lines = (folder / "trajectories.jsonl").read_text().splitlines()
        samples = [json.loads(line) for line in lines]
        assert len({(s["question_id"], s["repeat"]) for s in samples}) == len(samples) == 24
        writers[samples[0]["method"]] = {
            (span["writer"], span["part"]) for sample in samples for span in sample["spans"]
        }
    student = {("student", "think"), ("student", "answer")}
    assert writers["student_only"] == student
    assert writers["teacher_only"] == {("teacher", "think"), ("teacher", "answer")}
    assert writers["tessy"] == student | {("teacher", "think")}


def test_the_same_command_again_does_nothing_and_says_so(undisturbed: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in undisturbed.rglob("*") if p.is_file()}
    again = run(undisturbed)
    assert again.returncode == 0, again.stderr
    assert "nothing was to do" in again.stdout
    assert {p: p.stat().st_mtime_ns for p in undisturbed.rglob("*") if p.is_file()} == before


def test_wandb_ran_offline_and_nothing_was_written_outside_the_outputs(undisturbed: Path) -> None:
    assert list((undisturbed / "wandb").rglob("*.wandb"))
    assert [p.name for p in undisturbed.parent.iterdir()] == ["outputs"]


def kill_during(stage: str, outputs: Path) -> None:
    """Run until a stage has begun and worked a little, then `kill -9`."""
    process = subprocess.Popen(
        command(outputs, "tracking=none"),
        cwd=outputs.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    begun = {
        "synthesize": "artifacts/synthesize/tessy*/journal*",
        "sft": "artifacts/sft/teacher_only*/curve.jsonl",
        "evaluate": "artifacts/evaluate/student_only*/answers.jsonl",
    }[stage]
    deadline = time.monotonic() + 200
    while process.poll() is None and time.monotonic() < deadline:
        if any(p.stat().st_size for p in outputs.glob(begun)):
            break
        time.sleep(0.01)
    assert process.poll() is None, f"the run ended before it was killed in {stage}"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_killed_in_every_stage_the_same_command_goes_on_to_the_same_table(
    undisturbed: Path, tmp_path: Path
) -> None:
    outputs = tmp_path / "outputs"
    for stage in ("evaluate", "sft", "synthesize"):  # in the order in which the run comes by
        kill_during(stage, outputs)
    done = run(outputs, "tracking=none")
    assert done.returncode == 0, done.stderr
    assert results(outputs) == results(undisturbed)


def test_help_imports_nothing_heavy() -> None:
    listed = subprocess.run(
        [sys.executable, "-X", "importtime", str(ROOT / "run.py"), "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    modules = {line.rsplit("|", 1)[-1].strip() for line in listed.splitlines()}
    assert "hydra" in modules
    assert not modules & {"torch", "transformers", "trl", "datasets", "wandb", "numpy", "pandas"}
