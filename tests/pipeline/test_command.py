"""The command line, run as a user does."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipeline.conftest import ROOT

MINI = ("experiment=mini", "tracking=none")


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`python run.py ARGUMENTS` in an empty folder of its own, without a GPU."""
    environment = {**os.environ, "COLUMNS": "200", "HF_HOME": str(folder / "no-models-here")}
    return subprocess.run(
        [sys.executable, str(ROOT / "run.py"), *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_help_comes_at_once_and_lists_the_choices(tmp_path: Path) -> None:
    began = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = run(tmp_path, "--help")
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Processor time: the clock would also measure what else this machine does.
    seconds = ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime
    assert done.returncode == 0 and seconds < 1.5
    assert "teacher: deepseek-r1-0528, gpt-oss-120b, mini" in done.stdout
    assert "python run.py experiment=mini" in done.stdout
    assert files(tmp_path) == []


def test_a_sweep_whose_runs_have_one_name_is_refused(tmp_path: Path) -> None:
    done = run(tmp_path, "-m", "experiment=mini,mini_dial", "name=same", "stage=plan")
    assert done.returncode == 1 and files(tmp_path) == []
    assert "2 jobs of the sweep have the name 'same'" in done.stderr


def test_the_plan_of_the_paper_is_printed_and_nothing_is_done(tmp_path: Path) -> None:
    done = run(tmp_path, "stage=plan", "teacher=gpt-oss-120b")
    assert done.returncode == 0 and done.stderr == ""
    for said in ("synthesize", "to do", "GPU hours", "openai/gpt-oss-120b", "Missing here"):
        assert said in done.stdout
    assert files(tmp_path) == []


@pytest.mark.skipif(Path("/dev/nvidia0").exists(), reason="this machine has a GPU")
def test_the_paper_without_gpu_and_models_is_one_error_that_names_them_all(tmp_path: Path) -> None:
    done = run(tmp_path, "stage=all", "teacher=gpt-oss-120b")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.count("error: ") == 1
    for said in (
        "a GPU",
        "the package vllm",
        "hf download Qwen/Qwen3-8B",
        "hf download openai/gpt-oss-120b",
        "hf download --repo-type dataset He-Ren/OJBench_testdata",
        "experiment=mini",
    ):
        assert said in done.stderr
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("teacher=gpt-oss-12b",), "did you mean 'gpt-oss-120b'?"),
        (("train.epochs=abc",), "train.epochs='abc' is not a whole number"),
        (("-m", "train.epochs=1,x", "stage=plan"), "train.epochs='x' is not a whole number"),
        (("hydra.nothing=1",), "hydra.nothing"),
        (("experiment=mini", "teacher=gpt-oss-120b"), "belong to the miniature world"),
    ],
)
def test_a_wrong_command_line_is_one_line_on_stderr(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = run(tmp_path, *arguments)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1
    assert message in done.stderr
    traced = run(tmp_path, *arguments, "debug=true")
    assert traced.returncode == 1 and "Traceback" in traced.stderr
    assert files(tmp_path) == []


def test_a_sweep_reports_each_job_and_fails_if_one_does(tmp_path: Path) -> None:
    done = run(tmp_path, "-m", *MINI, "stage=questions,report", "questions.unique=4,5")
    assert done.returncode == 1
    assert done.stderr.count("error: nothing was run") == 2  # the reports have nothing to show
    assert len(list((tmp_path / "outputs/artifacts/questions").glob("*/questions.jsonl"))) == 2


def test_the_same_stage_again_does_nothing(tmp_path: Path) -> None:
    arguments = (*MINI, "stage=questions", "questions.unique=8", "outputs_dir=here")
    first = run(tmp_path, *arguments)
    assert first.returncode == 0 and "questions: 1 made" in first.stdout
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "here").rglob("*")}
    second = run(tmp_path, *arguments)
    assert second.returncode == 0, second.stderr
    assert "nothing was to do" in second.stdout and "1 done before" in second.stdout
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "here").rglob("*")} == before
    (questions,) = (tmp_path / "here").rglob("questions.jsonl")
    assert len(questions.read_text().splitlines()) == 8


def test_a_stage_whose_parents_are_not_made_says_which(tmp_path: Path) -> None:
    done = run(tmp_path, *MINI, "stage=sft", "method=tessy")
    assert done.returncode == 1
    assert "synthesize tessy-world0, which sft" in done.stderr
    assert files(tmp_path) == []


def test_a_corrupt_artifact_stops_the_run_and_stays(tmp_path: Path) -> None:
    arguments = (*MINI, "stage=questions", "questions.unique=8")
    assert run(tmp_path, *arguments).returncode == 0
    (manifest,) = (tmp_path / "outputs").rglob("manifest.json")
    manifest.write_text("{")
    done = run(tmp_path, *arguments)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert f"delete the folder {manifest.parent.relative_to(tmp_path)}" in done.stderr
    assert manifest.read_text() == "{"
