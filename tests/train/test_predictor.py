"""A boundary predictor learns, is read as it was trained, and goes on exactly after kill -9."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer

from tessy.boundary.examples import example
from tessy.boundary.metrics import Judged, measure
from tessy.boundary.predict import open_predictor
from tessy.boundary.segments import LabelledSegment
from tessy.boundary.words import words
from tessy.checkpoints import locate
from tessy.config import ModelConfig, PredictorConfig
from tessy.errors import CheckpointError, DataError, StorageError, TrainingError
from tessy.records import dump_line
from train.curve import read_curve
from train.predictor import fit

STYLE = ("Okay,", "wait", "let", "me", "But", "see.")
CAPABILITY = ("x", "%", "2", "==", "print(sum(a))", "numbers")
MOMENTS = ("never", "step:2", "step:8", "checkpoint:7", "publish", "published")
LEARNED = {"validation_token_accuracy", "validation_token_f1", "validation_boundary_f1"}


def segment(number: int) -> LabelledSegment:
    """Words in random order, so that no word foretells the next one's label."""
    draw = random.Random(number)
    labels = [draw.randrange(2) for _ in range(12)]
    text = " ".join(draw.choice(STYLE if label else CAPABILITY) for label in labels)
    split = "validation" if number % 5 == 0 else "train"
    return LabelledSegment(f"q{number}", 0, 0, text, tuple(labels), split)  # type: ignore[arg-type]


SEGMENTS = [segment(number) for number in range(50)]


@pytest.fixture(scope="session")
def config(student: ModelConfig) -> PredictorConfig:
    """5 steps an epoch, each of two forward passes."""
    return PredictorConfig(
        "tiny",
        "train",
        base=student.path,
        segments=50,
        epochs=2,
        batch=8,
        micro_batch=4,
        learning_rate=1e-2,
        device="cpu",
    )


@pytest.fixture(scope="session")
def undisturbed(
    config: PredictorConfig, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, float]]:
    folder = tmp_path_factory.mktemp("predictor")
    return folder, fit(SEGMENTS, config, 0, folder / "student", folder / "curve.jsonl", "fit")


def weights(folder: Path) -> bytes:
    return (folder / "student" / "model.safetensors").read_bytes()


def losses(folder: Path) -> list[float]:
    return [point["loss"] for point in read_curve(folder / "curve.jsonl")]


def test_it_learns_and_the_counts_add_up(
    undisturbed: tuple[Path, dict[str, float]], config: PredictorConfig
) -> None:
    folder, counts = undisturbed
    assert all(counts[name] > 0.95 for name in LEARNED), counts
    assert counts["validation_segments"] == 10 and counts["trained_segments"] == 40
    tokenizer = AutoTokenizer.from_pretrained(config.base)
    lengths = [
        len(example(s.text, s.labels, tokenizer, 0).ids) for s in SEGMENTS if s.split == "train"
    ]
    assert counts["trained_tokens"] == 2 * sum(lengths)
    assert counts["steps"] == len(losses(folder)) == 10
    assert counts["final_loss"] == pytest.approx(sum(losses(folder)[5:]) / 5)
    assert losses(folder)[0] > 0.4 > 0.2 > losses(folder)[-1]
    assert sorted(p.name for p in folder.iterdir()) == ["curve.jsonl", "student"]


def test_it_is_read_as_it_was_trained(
    undisturbed: tuple[Path, dict[str, float]], config: PredictorConfig
) -> None:
    """What the synthesis reads word by word gives the measures of the training."""
    folder, counts = undisturbed
    held_out = [s for s in SEGMENTS if s.split == "validation"]

    async def read() -> list[Judged]:
        found = []
        async with open_predictor(folder / "student", config, 1) as predictor:
            for number, s in enumerate(held_out):
                pieces = [predictor.encode(word) for word in words(s.text)]
                ids = [i for piece in pieces for i in piece]
                assert ids == example(s.text, s.labels, predictor._tokenizer, 0).ids
                odds = await predictor.read(str(number), ids, [len(p) for p in pieces])
                said = [int(sum(of_word) > 0) for of_word in odds]
                tokens = [
                    (label, int(o > 0))
                    for label, of_word in zip(s.labels, odds, strict=True)
                    for o in of_word
                ]
                found.append(
                    Judged([a for a, _ in tokens], [b for _, b in tokens], list(s.labels), said)
                )
        return found

    want = {f"validation_{name}": n for name, n in measure(asyncio.run(read())).items()}
    assert want == {name: n for name, n in counts.items() if name.startswith("validation_")}


def test_a_shifted_output_labels_the_next_token(config: PredictorConfig, tmp_path: Path) -> None:
    """It cannot know a word that nothing foretells; where labels alternate, it knows the next."""
    shifted = replace(config, label_shift=1)
    counts = fit(SEGMENTS, shifted, 0, tmp_path / "a", tmp_path / "a.jsonl", "fit")
    assert counts["validation_token_accuracy"] < 0.9
    assert counts["validation_words"] in range(110, 121)  # first words of one token are not read
    alternating = []
    for s in SEGMENTS:
        pairs = [(STYLE[i % 6], CAPABILITY[(i + len(s.text)) % 6]) for i in range(6)]
        text = " ".join(word for pair in pairs for word in pair)
        alternating.append(replace(s, text=text, labels=(1, 0) * 6))
    counts = fit(alternating, shifted, 0, tmp_path / "b", tmp_path / "b.jsonl", "fit")
    assert counts["validation_token_accuracy"] > 0.95


def test_the_folder_is_a_checkpoint_with_the_bases_tokenizer(
    undisturbed: tuple[Path, dict[str, float]], config: PredictorConfig
) -> None:
    folder = locate(str(undisturbed[0] / "student"))
    settings = json.loads((folder / "config.json").read_text())
    assert settings["architectures"] == ["Qwen3ForTokenClassification"]
    assert settings["id2label"] == {"0": "capability", "1": "style"}
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (folder / name).read_bytes() == (Path(config.base) / name).read_bytes()


def test_the_same_call_again_trains_nothing_and_measures_the_same(
    undisturbed: tuple[Path, dict[str, float]], config: PredictorConfig, tmp_path: Path
) -> None:
    folder = shutil.copytree(undisturbed[0], tmp_path / "copy")
    before = (folder / "student" / "model.safetensors").stat().st_mtime_ns
    assert (
        fit(SEGMENTS, config, 0, folder / "student", folder / "curve.jsonl", "") == (undisturbed[1])
    )
    assert (folder / "student" / "model.safetensors").stat().st_mtime_ns == before


def test_what_ran_before_does_not_matter_and_the_seed_does(
    undisturbed: tuple[Path, dict[str, float]], config: PredictorConfig, tmp_path: Path
) -> None:
    torch.manual_seed(99)
    fit(SEGMENTS, config, 0, tmp_path / "a" / "student", tmp_path / "a.jsonl", "fit")
    assert weights(tmp_path / "a") == weights(undisturbed[0])
    fit(SEGMENTS, config, 1, tmp_path / "b" / "student", tmp_path / "b.jsonl", "fit")
    assert weights(tmp_path / "b") != weights(undisturbed[0])


def test_accumulation_changes_memory_not_the_loss(
    undisturbed: tuple[Path, dict[str, float]], config: PredictorConfig, tmp_path: Path
) -> None:
    """Dropout draws other masks for other shapes, so only the first loss is nearly the same."""
    whole = replace(config, micro_batch=8)
    fit(SEGMENTS, whole, 0, tmp_path / "student", tmp_path / "curve.jsonl", "fit")
    assert losses(tmp_path)[0] == pytest.approx(losses(undisturbed[0])[0], rel=0.05)


@pytest.fixture(scope="session")
def killed(config: PredictorConfig, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of trainings that were killed at each of MOMENTS, in other processes."""
    root = tmp_path_factory.mktemp("killed-predictors")
    folders = {when: root / when.replace(":", "-") for when in MOMENTS}
    (root / "segments.jsonl").write_text("".join(map(dump_line, SEGMENTS)))
    request = {
        "work": "predictor",
        "segments": str(root / "segments.jsonl"),
        "predictor": asdict(config),
        "moments": {when: str(folder) for when, folder in folders.items()},
    }
    ran = subprocess.run(
        [sys.executable, "-m", "tests.train.victim", json.dumps(request)],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    ends = dict(json.loads(line) for line in ran.stdout.splitlines())
    assert ends == {when: 0 if when == "never" else 9 for when in MOMENTS}, ran.stderr[-2000:]
    return folders


@pytest.mark.parametrize("when", MOMENTS)
def test_killed_and_run_again_gives_the_undisturbed_result(
    when: str,
    killed: dict[str, Path],
    undisturbed: tuple[Path, dict[str, float]],
    config: PredictorConfig,
    tmp_path: Path,
) -> None:
    folder = shutil.copytree(killed[when], tmp_path / "copy")
    assert (folder / "student").is_dir() == (when in ("never", "published"))
    counts = fit(SEGMENTS, config, 0, folder / "student", folder / "curve.jsonl", "again")
    assert weights(folder) == weights(undisturbed[0])
    assert losses(folder) == losses(undisturbed[0])
    assert counts == undisturbed[1]
    assert sorted(p.name for p in folder.iterdir()) == ["curve.jsonl", "student"]


def test_segments_too_long_are_dropped_and_counted(config: PredictorConfig, tmp_path: Path) -> None:
    long = replace(SEGMENTS[1], text=" ".join(["numbers"] * 600), labels=(0,) * 600)
    counts = fit([*SEGMENTS, long], config, 0, tmp_path / "student", tmp_path / "c.jsonl", "fit")
    assert counts["dropped_long"] == 1 and counts["trained_segments"] == 40
    with pytest.raises(DataError, match="no segment is left for train: 50 are longer"):
        fit(SEGMENTS, replace(config, max_length=3), 0, tmp_path / "b", tmp_path / "b.jsonl", "")


def test_divergence_names_the_option(config: PredictorConfig, tmp_path: Path) -> None:
    wild = replace(config, learning_rate=1e38)
    with pytest.raises(TrainingError, match=r"at step \d+ of 10, .*lower predictor.learning_rate"):
        fit(SEGMENTS, wild, 0, tmp_path / "student", tmp_path / "curve.jsonl", "fit")
    assert not (tmp_path / "student").exists()


def test_a_base_that_is_none_is_named(config: PredictorConfig, tmp_path: Path) -> None:
    copy = shutil.copytree(config.base, tmp_path / "base")
    wrong = replace(config, base=str(copy))
    (copy / "tokenizer.json").rename(copy / "elsewhere")
    with pytest.raises(CheckpointError, match=r"base lacks tokenizer.json"):
        fit(SEGMENTS, wrong, 0, tmp_path / "student", tmp_path / "curve.jsonl", "fit")
    (copy / "tokenizer.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"tokenizer in .*base cannot be read"):
        fit(SEGMENTS, wrong, 0, tmp_path / "student", tmp_path / "curve.jsonl", "fit")
    (copy / "elsewhere").rename(copy / "tokenizer.json")
    settings = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(settings | {"model_type": "blip"}))
    with pytest.raises(CheckpointError, match="cannot be loaded as a token classifier"):
        fit(SEGMENTS, wrong, 0, tmp_path / "student", tmp_path / "curve.jsonl", "fit")


def test_a_folder_that_cannot_be_written_is_named(config: PredictorConfig, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file/student"):
        fit(SEGMENTS, config, 0, tmp_path / "file" / "student", tmp_path / "file" / "c", "fit")
