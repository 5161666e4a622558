"""The SFT stage trains, goes on exactly after kill -9, and leaves its process as it was."""

from __future__ import annotations

import gc
import json
import os
import random
import resource
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tessy.checkpoints import locate
from tessy.config import ModelConfig, TrainConfig
from tessy.dialects import load_dialect
from tessy.errors import CheckpointError, DataError, StorageError, TrainingError
from tests.train.conftest import SETTINGS, trajectory, write
from train.curve import CLOCKED, read_curve
from train.examples import example
from train.run import finetune

MOMENTS = ("never", "step:2", "step:5", "step:8", "checkpoint:6", "publish", "published")


@pytest.fixture(scope="session")
def undisturbed(
    samples: Path, student: ModelConfig, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, float]]:
    folder = tmp_path_factory.mktemp("undisturbed") / "new"
    return folder, finetune(samples, student, SETTINGS, 1e-3, 0, folder, "sft")


@pytest.fixture(scope="session")
def killed(
    samples: Path, student: ModelConfig, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Folders of trainings that were killed at each of MOMENTS, in other processes."""
    root = tmp_path_factory.mktemp("killed")
    folders = {when: root / when.replace(":", "-") for when in MOMENTS}
    request = {
        "work": "fine_tuning",
        "trajectories": str(samples),
        "student": asdict(student),
        "settings": asdict(SETTINGS),
        "moments": {when: str(folder) for when, folder in folders.items()},
    }
    ran = subprocess.run(
        [sys.executable, "-m", "tests.train.victim", json.dumps(request)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    ends = dict(json.loads(line) for line in ran.stdout.splitlines())
    assert ends == {when: 0 if when == "never" else 9 for when in MOMENTS}, ran.stderr[-2000:]
    return folders


def weights(folder: Path) -> bytes:
    return (folder / "model" / "model.safetensors").read_bytes()


def curve(folder: Path) -> list[dict[str, float]]:
    """Without the columns that depend on the machine."""
    lines = read_curve(folder / "curve.jsonl")
    return [{k: v for k, v in line.items() if k not in CLOCKED} for line in lines]


def test_the_loss_falls_and_the_counts_add_up(
    undisturbed: tuple[Path, dict[str, float]], settings: TrainConfig
) -> None:
    folder, counts = undisturbed
    lines = curve(folder)
    assert [line["step"] for line in lines] == list(range(1, 13))
    assert [line["epoch"] for line in lines][5::6] == [1, 2]
    assert lines[-1]["loss"] < lines[0]["loss"] - 0.5
    assert counts["samples"] == 22 and counts["steps"] == 12
    assert counts["trained_tokens"] == settings.epochs * counts["tokens"]
    assert counts["final_loss"] == pytest.approx(sum(x["loss"] for x in lines[6:]) / 6)
    assert max(line["learning_rate"] for line in lines) == 1e-3
    assert sorted(p.name for p in folder.iterdir()) == ["curve.jsonl", "model"]


def test_the_first_loss_is_the_models_own_on_the_completions(
    samples: Path, student: ModelConfig, settings: TrainConfig, tmp_path: Path
) -> None:
    """All samples in one step: the loss a plain forward pass gives, one sample at a time."""
    from transformers import AutoModelForCausalLM

    everything = replace(settings, global_batch=22, micro_batch=11, epochs=1)
    finetune(samples, student, everything, 1e-3, 0, tmp_path, "sft")
    model = AutoModelForCausalLM.from_pretrained(student.path, dtype=torch.float32)
    dialect = load_dialect("qwen3", Path(student.path))
    total, n = 0.0, 0
    for number in range(22):
        made = example(trajectory(number), dialect)
        start = made.labels.tolist().count(-100)
        with torch.no_grad():
            logits = model(torch.tensor([made.input_ids.tolist()])).logits[0, start - 1 : -1]
        target = torch.tensor(made.input_ids.tolist()[start:])
        total += float(torch.nn.functional.cross_entropy(logits, target, reduction="sum"))
        n += len(target)
    assert curve(tmp_path)[0]["loss"] == pytest.approx(total / n, rel=1e-5)


def test_the_model_has_the_students_tokenizer_and_new_weights(
    undisturbed: tuple[Path, dict[str, float]], student: ModelConfig
) -> None:
    from transformers import AutoModelForCausalLM

    folder = locate(str(undisturbed[0] / "model"))
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        assert (folder / name).read_bytes() == (Path(student.path) / name).read_bytes()
    before = AutoModelForCausalLM.from_pretrained(student.path)
    after = AutoModelForCausalLM.from_pretrained(folder)
    assert after.config.eos_token_id == before.config.eos_token_id
    assert after.config.use_cache
    assert (before.dtype, after.dtype) == (torch.float16, torch.float32)
    frozen = [
        name
        for (name, old), new in zip(before.named_parameters(), after.parameters(), strict=True)
        if torch.equal(old.float(), new)
    ]
    assert frozen == []  # full-parameter training moves every one


@pytest.mark.parametrize("when", MOMENTS)
def test_killed_and_run_again_gives_the_undisturbed_result(
    when: str,
    killed: dict[str, Path],
    undisturbed: tuple[Path, dict[str, float]],
    samples: Path,
    student: ModelConfig,
    settings: TrainConfig,
    tmp_path: Path,
) -> None:
    folder = shutil.copytree(killed[when], tmp_path / "copy")
    counts = finetune(samples, student, settings, 1e-3, 0, folder, "again")
    assert weights(folder) == weights(undisturbed[0])
    assert curve(folder) == curve(undisturbed[0])
    assert counts == undisturbed[1]
    assert sorted(p.name for p in folder.iterdir()) == ["curve.jsonl", "model"]


def test_a_killed_training_resumes_from_the_newest_complete_checkpoint(
    killed: dict[str, Path],
    tmp_path: Path,
    samples: Path,
    student: ModelConfig,
    settings: TrainConfig,
) -> None:
    """The clock's column tells which steps were not taken again."""
    folder = shutil.copytree(killed["checkpoint:6"], tmp_path / "copy")
    before = [x["tokens_per_second"] for x in read_curve(folder / "curve.jsonl")]
    assert [p.name for p in (folder / "checkpoints").glob("checkpoint-*")] == ["checkpoint-3"]
    assert len(before) == 6
    finetune(samples, student, settings, 1e-3, 0, folder, "again")
    after = [x["tokens_per_second"] for x in read_curve(folder / "curve.jsonl")]
    assert after[:3] == before[:3] and after[3:6] != before[3:6]


@pytest.mark.filterwarnings("ignore::FutureWarning")  # looking at every object touches old names
def test_the_process_is_left_as_it_was(
    samples: Path, student: ModelConfig, settings: TrainConfig, tmp_path: Path
) -> None:
    from accelerate.state import PartialState
    from transformers import Qwen3ForCausalLM
    from transformers.utils import logging

    def state() -> Any:
        return (
            dict(os.environ),
            random.getstate(),
            torch.random.get_rng_state().tolist(),
            torch.get_num_threads(),
            logging.get_verbosity(),
            PartialState._shared_state,
        )

    torch.set_num_threads(2)  # training takes one
    before = state()
    finetune(samples, student, settings, 1e-3, 0, tmp_path / "a", "sft")
    after = state()
    torch.set_num_threads(1)
    assert after == before
    alive = [o for o in gc.get_objects() if isinstance(o, Qwen3ForCausalLM)]
    assert alive == []


def test_the_same_call_again_gives_the_same_weights_and_another_seed_others(
    undisturbed: tuple[Path, dict[str, float]],
    samples: Path,
    student: ModelConfig,
    settings: TrainConfig,
    tmp_path: Path,
) -> None:
    torch.manual_seed(99)  # what ran before must not matter
    finetune(samples, student, settings, 1e-3, 0, tmp_path / "same", "sft")
    assert weights(tmp_path / "same") == weights(undisturbed[0])
    finetune(samples, student, settings, 1e-3, 1, tmp_path / "other", "sft")
    assert weights(tmp_path / "other") != weights(undisturbed[0])


def test_accumulation_changes_memory_not_the_result(
    undisturbed: tuple[Path, dict[str, float]],
    samples: Path,
    student: ModelConfig,
    settings: TrainConfig,
    tmp_path: Path,
) -> None:
    whole = replace(settings, micro_batch=4)
    finetune(samples, student, whole, 1e-3, 0, tmp_path, "sft")
    losses = [line["loss"] for line in curve(tmp_path)]
    assert losses == pytest.approx([x["loss"] for x in curve(undisturbed[0])], rel=1e-3)


def test_divergence_names_the_step_and_keeps_the_last_good_checkpoint(
    samples: Path, student: ModelConfig, settings: TrainConfig, tmp_path: Path
) -> None:
    wild = replace(settings, max_grad_norm=1e9, checkpoints_per_epoch=6, warmup_ratio=0.5)
    says = (
        r"at step \d+ of 12, .* on sample 'q\d+', repeat 0, of method 'tessy', sample .*"
        r"lower train.learning_rate"
    )
    with pytest.raises(TrainingError, match=says):
        finetune(samples, student, wild, 1e30, 0, tmp_path, "sft")
    kept = list((tmp_path / "checkpoints").glob("checkpoint-*"))
    lines = curve(tmp_path)
    assert kept == [tmp_path / "checkpoints" / f"checkpoint-{len(lines)}"]
    assert not (tmp_path / "model").exists()


def test_nothing_is_printed_but_the_bar(
    samples: Path,
    student: ModelConfig,
    settings: TrainConfig,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    finetune(samples, student, settings, 1e-3, 0, tmp_path, "sft of the tiny one")
    out, err = capfd.readouterr()
    assert out == ""
    lines = [line for line in err.replace("\r", "\n").splitlines() if line.strip()]
    assert lines and all(line.startswith("sft of the tiny one") for line in lines)
    assert "12/12" in lines[-1] and "steps/s" in lines[-1]


def test_a_full_disk_is_one_clear_error_and_the_next_run_goes_on(
    undisturbed: tuple[Path, dict[str, float]],
    samples: Path,
    student: ModelConfig,
    settings: TrainConfig,
    tmp_path: Path,
) -> None:
    """A limit on the size of files stands for the disk: the optimizer's state does not fit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(weights(undisturbed[0])) // 2, hard))
    try:
        with pytest.raises(StorageError, match=r"step 3 cannot be written .*free space"):
            finetune(samples, student, settings, 1e-3, 0, tmp_path, "sft")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    finetune(samples, student, settings, 1e-3, 0, tmp_path, "again")
    assert weights(tmp_path) == weights(undisturbed[0])
    assert curve(tmp_path) == curve(undisturbed[0])


def test_a_folder_that_cannot_be_made_is_named(
    samples: Path, student: ModelConfig, settings: TrainConfig, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file/sft cannot be written"):
        finetune(samples, student, settings, 1e-3, 0, tmp_path / "file" / "sft", "sft")


def test_a_bad_sample_stops_before_any_work(
    student: ModelConfig, settings: TrainConfig, tmp_path: Path
) -> None:
    path = write(tmp_path / "t.jsonl", [trajectory(0), trajectory(1, spans=())])
    with pytest.raises(DataError, match="'q1'"):
        finetune(path, student, settings, 1e-3, 0, tmp_path / "out", "sft")
    assert list((tmp_path / "out").iterdir()) == [tmp_path / "out" / "prepared.partial"]


def test_broken_weights_are_named(
    samples: Path, student: ModelConfig, settings: TrainConfig, tmp_path: Path
) -> None:
    copy = shutil.copytree(student.path, tmp_path / "broken")
    whole = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    broken = replace(student, path=str(copy))
    with pytest.raises(CheckpointError, match="broken cannot be loaded"):
        finetune(samples, broken, settings, 1e-3, 0, tmp_path / "out", "sft")
