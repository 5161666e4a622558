"""Sweeps as a user types them: real jobs of the miniature world, here and in other processes."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SMALL = (
    "experiment=mini",
    "method=[student_only]",
    "questions.samples=8",
    "questions.unique=8",
    "benchmarks.mini.problems=2",
    "train.epochs=1",
    "report.bootstrap=50",
)
SWEPT = ("student.path=mini:student,mini:nobody", "train.learning_rate=1e-3,2e-3")


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "run.py"), *arguments],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=280,
    )


def results(folder: Path) -> dict[str, Any]:
    [path] = folder.glob("outputs/sweeps/*/results.json")
    stored: dict[str, Any] = json.loads(path.read_text())
    return stored


def tracked(folder: Path) -> Counter[str]:
    """How many W&B runs of each stage there are: one for each time that a stage did work."""
    return Counter(p.name.split("-")[3] for p in folder.glob("outputs/wandb/offline-run-*"))


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """Four jobs by two workers at once; two fail, as their student is nowhere."""
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    folder = tmp_path_factory.mktemp("sweep")
    two = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    return folder, run(folder, "-m", *two, *SMALL, *SWEPT)


def test_jobs_in_two_processes_make_each_artifact_once(swept: tuple[Path, Any]) -> None:
    folder, _ = swept
    made = {"questions": 1, "synthesize": 1, "sft": 2, "evaluate": 3, "report": 2, "compare": 1}
    assert tracked(folder) == made


def test_a_sweep_ends_with_one_table_and_what_failed(swept: tuple[Path, Any]) -> None:
    folder, done = swept
    assert done.returncode == 1
    stored = results(folder)
    assert (stored["jobs"], stored["failed"], stored["done_before"]) == (4, 2, 0)
    scored = [row for row in stored["rows"] if "pass_at_1" in row]
    assert [row["method"] for row in scored] == ["base", "student_only"] * 2
    assert len({row["job"] for row in scored}) == 2
    failed = [row for row in stored["rows"] if row["state"] == "failed"]
    assert all("no miniature checkpoint 'nobody'" in row["error"] for row in failed)
    [text] = folder.glob("outputs/sweeps/*/results.txt")
    for words in ("Jobs      2 done, 0 done before, 2 failed", "student_only"):
        assert words in done.stdout and words in text.read_text()


def test_a_failed_job_is_repeated_by_the_command_that_is_printed(swept: tuple[Path, Any]) -> None:
    folder, done = swept
    commands = [x.split(None, 1)[1] for x in done.stdout.splitlines() if x.startswith("  repeat")]
    assert len(commands) == 2
    python, script, *arguments = shlex.split(commands[0])
    assert (python, script) == ("python", "run.py")
    assert r"student.path=mini\:nobody" in arguments and "train.learning_rate=0.001" in arguments
    again = run(folder, *arguments)
    assert again.returncode == 1 and "no miniature checkpoint 'nobody'" in again.stderr
    mended = [a.replace("nobody", "student") for a in arguments if not a.startswith("name=")]
    assert "nothing was to do" not in run(folder, *mended, "stage=report", "name=mended").stdout
    assert (folder / "outputs/reports/mended/results.json").exists()


@pytest.mark.parametrize("launcher", ["basic", "submitit_local"])
def test_the_same_sweep_on_another_launcher_skips_what_is_done(
    swept: tuple[Path, Any], launcher: str
) -> None:
    folder, _ = swept
    if launcher == "submitit_local" and find_spec("submitit") is None:
        pytest.skip("hydra-submitit-launcher is not installed")
    artifacts = {p: p.stat().st_mtime_ns for p in folder.glob("outputs/artifacts/*/*/*")}
    done = run(folder, "-m", f"hydra/launcher={launcher}", *SMALL, *SWEPT)
    assert done.returncode == 1, done.stderr
    stored = results(folder)
    assert (stored["jobs"], stored["failed"], stored["done_before"]) == (4, 2, 2)
    assert len([row for row in stored["rows"] if "pass_at_1" in row]) == 4
    assert {p: p.stat().st_mtime_ns for p in folder.glob("outputs/artifacts/*/*/*")} == artifacts


def test_a_worker_that_is_killed_is_a_failed_job(tmp_path: Path) -> None:
    """Its memory is limited below what it needs to say anything, as the kernel's killer would."""
    code = (
        "import os, signal, sys\n"
        "import tessy.pipeline.execute as e\n"
        "e.execute = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    (tmp_path / "sitecustomize.py").write_text(code)
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    two = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    options = (*SMALL, "tracking=none", "seed=1,2")
    done = subprocess.run(
        [sys.executable, str(ROOT / "run.py"), "-m", *two, *options],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert results(tmp_path)["failed"] == 2 and "ended without a word" in done.stdout


def test_two_experiments_of_one_name_are_refused(tmp_path: Path) -> None:
    done = run(tmp_path, "-m", *SMALL, "train.epochs=1,2", "name=a", "train.epochs=1,1")
    assert done.returncode == 1 and "2 jobs of the sweep have the name" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_of_plans_writes_nothing(tmp_path: Path) -> None:
    done = run(tmp_path, "-m", *SMALL, "stage=plan", "train.epochs=1,2")
    assert done.returncode == 0 and done.stdout.count("The stage graph") == 2
    assert not (tmp_path / "outputs/sweeps").exists()
