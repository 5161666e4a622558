"""The predictor stage in the miniature world: from sampled thinking to measured predictors."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tessy.boundary.segments import LabelledSegment
from tessy.boundary.words import words
from tessy.config import Experiment, QuestionsConfig
from tessy.errors import DataError
from tessy.pipeline.predictors import train_predictors
from tessy.questions.mini import load
from tessy.records import read_jsonl
from tests.pipeline.conftest import ROOT

Compose = Callable[..., Experiment]

WORLD = ("experiment=mini", "predictor=mini_train", "tracking=none", "method=[tessy]")
SMALL = (
    *WORLD,
    "questions.samples=12",
    "questions.unique=12",
    "predictor.segments=48",
    "predictor.epochs=2",
    "predictor.batch=8",
    "predictor.micro_batch=8",
)
PREDICTOR = "stage=[questions,predictor]"
KILLED_AT = ("sampled/teacher/journal.jsonl", "curve.student.jsonl", "curve.teacher.jsonl")


def command(outputs: Path, *more: str) -> list[str]:
    return [sys.executable, str(ROOT / "run.py"), *SMALL, f"outputs_dir={outputs}", *more]


def run(outputs: Path, *more: str) -> str:
    done = subprocess.run(
        command(outputs, *more), cwd=outputs.parent, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def artifact(outputs: Path) -> Path:
    (folder,) = (outputs / "artifacts" / "predictor").glob("[!.]*")
    return folder


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    outputs = tmp_path_factory.mktemp("predictors") / "outputs"
    run(outputs, PREDICTOR)
    return outputs


def test_the_manifest_says_what_was_dropped_and_how_good_the_predictors_are(
    undisturbed: Path,
) -> None:
    folder = artifact(undisturbed)
    counts: dict[str, Any] = json.loads((folder / "manifest.json").read_text())["counts"]
    measures = json.loads((folder / "metrics.json").read_text())
    for writer in ("student", "teacher"):
        made = list(read_jsonl(folder / f"segments.{writer}.jsonl", LabelledSegment))
        assert counts[f"{writer}.annotated"] == 48
        dropped = sum(n for k, n in counts.items() if k.startswith(f"{writer}.dropped_"))
        assert counts[f"{writer}.usable"] == len(made) == 48 - dropped
        assert counts[f"{writer}.style_words"] == sum(sum(s.labels) for s in made)
        assert counts[f"{writer}.words"] == sum(len(words(s.text)) for s in made)
        held_out = {s.question_id for s in made if s.split == "validation"}
        assert held_out.isdisjoint(s.question_id for s in made if s.split == "train")
        for name, value in measures[writer].items():
            assert counts[f"{writer}.{name}"] == value
        assert measures[writer]["validation_token_f1"] > 0.6, measures  # it has learned something
        assert (folder / writer / "model.safetensors").is_file()
    assert {p.name for p in folder.iterdir() if p.is_dir()} == {"sampled", "student", "teacher"}


def test_killed_in_sampling_and_training_it_ends_as_if_it_had_not_been(
    undisturbed: Path, tmp_path: Path
) -> None:
    outputs = tmp_path / "outputs"
    for begun in KILLED_AT:
        process = subprocess.Popen(
            command(outputs, PREDICTOR),
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + 200
        while process.poll() is None and time.monotonic() < deadline:
            if any(p.stat().st_size for p in outputs.glob(f"artifacts/predictor/*/{begun}")):
                break
            time.sleep(0.01)
        assert process.poll() is None, f"the run ended before it was killed at {begun}"
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    run(outputs, PREDICTOR)
    for name in ("metrics.json", *(f"{w}/model.safetensors" for w in ("student", "teacher"))):
        assert (artifact(outputs) / name).read_bytes() == (
            artifact(undisturbed) / name
        ).read_bytes(), name


def test_the_synthesis_reads_what_was_trained(undisturbed: Path) -> None:
    assert "nothing was to do" in run(undisturbed, PREDICTOR)
    run(undisturbed, "stage=synthesize")
    (folder,) = (undisturbed / "artifacts" / "synthesize").glob("[!.]*")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert f"predictor/{artifact(undisturbed).name}" in manifest["parents"]
    assert manifest["counts"]["samples"] == 12
    assert manifest["counts"]["teacher_kept"] > 0 and manifest["counts"]["switches"] > 12


def small(e: Experiment, **options: Any) -> Experiment:
    return dataclasses.replace(e, predictor=dataclasses.replace(e.predictor, **options))


def test_more_responses_are_sampled_until_there_are_segments_enough(
    composed: Compose, tmp_path: Path
) -> None:
    """A tenth of the segments that were asked of a response are there."""
    e = small(composed(*SMALL), segments=24, segments_per_response=40, epochs=1)
    folder = tmp_path / "few"
    folder.mkdir()
    counts = train_predictors(load(QuestionsConfig("mini", 12, 12), 0)[0], e, folder, "predictor")
    for writer in ("student", "teacher"):
        assert counts[f"{writer}.annotated"] == 24
        assert counts[f"{writer}.responses"] > 1
        lines = (folder / "sampled" / writer / "trajectories.jsonl").read_text().splitlines()
        assert counts[f"{writer}.responses"] == len(lines)


def test_a_model_that_cannot_think_is_named(composed: Compose, tmp_path: Path) -> None:
    e = composed(*SMALL, "student.context=10")  # no question fits
    with pytest.raises(
        DataError, match=r"responses of student mini-qwen3 have no thinking .* 14 fa"
    ):
        train_predictors(load(QuestionsConfig("mini", 12, 12), 0)[0], e, tmp_path, "predictor")


def test_an_annotator_whose_answers_are_useless_is_named(composed: Compose, tmp_path: Path) -> None:
    """The miniature student writes of lists, whatever it is asked."""
    e = composed(*SMALL, "predictor.annotator=student", "predictor.annotation_tokens=32")
    e = dataclasses.replace(e, student=dataclasses.replace(e.student, context=2048))
    with pytest.raises(DataError, match="answers of the annotator none can be used") as error:
        train_predictors(load(QuestionsConfig("mini", 12, 12), 0)[0], e, tmp_path, "predictor")
    assert "truncated" in error.value.what and "predictor.annotator" in error.value.mend


def test_segments_of_one_question_are_not_enough(composed: Compose, tmp_path: Path) -> None:
    e = composed(*SMALL)
    with pytest.raises(DataError, match="of 1 question cannot be split"):
        train_predictors(load(QuestionsConfig("mini", 1, 1), 0)[0], e, tmp_path, "predictor")
