"""Training divided over two processes: the same curve as on one device, and on after kill -9."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tessy.config import DeepSpeedConfig, LoraConfig, ModelConfig, TrainConfig
from tessy.errors import ConfigError, MissingError, TrainingError
from tests.train.conftest import SETTINGS
from train.checkpoints import newest_checkpoint
from train.curve import CLOCKED, read_curve
from train.job import Job
from train.launch import _explain, command
from train.run import finetune

pytest.importorskip("deepspeed", reason="pip install -e '.[sft]'")

# 11 steps an epoch, a checkpoint after each.
LONG = replace(SETTINGS, epochs=3, global_batch=2, micro_batch=1, checkpoints_per_epoch=1)
KILL_AT = 15  # lines of the curve: four steps after a checkpoint, seven before the next

SCRIPT = """
import sys
import msgspec
from pathlib import Path
from tessy.config import DeepSpeedConfig, ModelConfig, TrainConfig
from train.run import finetune
data, folder, student, config, devices, rate = sys.argv[1:]
finetune(Path(data), msgspec.json.decode(student, type=ModelConfig),
         msgspec.json.decode(config, type=TrainConfig), float(rate), 0, Path(folder), "sft",
         msgspec.json.decode(devices, type=DeepSpeedConfig))
"""


def two(kind: Any) -> DeepSpeedConfig:
    return DeepSpeedConfig(kind, processes=2)


def curve(folder: Path) -> list[dict[str, float]]:
    lines = read_curve(folder / "curve.jsonl")
    return [{k: v for k, v in line.items() if k not in CLOCKED} for line in lines]


@pytest.fixture(scope="session")
def alone(
    samples: Path, student: ModelConfig, tmp_path_factory: pytest.TempPathFactory
) -> dict[bool, Path]:
    """Trained on one device, with and without packing."""
    root = tmp_path_factory.mktemp("alone")
    for packing in (False, True):
        config = replace(LONG, packing=packing)
        finetune(samples, student, config, 1e-3, 0, root / str(packing), "sft")
    return {packing: root / str(packing) for packing in (False, True)}


def workers(folder: Path) -> list[int]:
    """Processes that were told of this folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if str(folder).encode() in words and b"train.worker" in words:
            found.append(int(path.parent.name))
    return found


def kill_midway(
    data: Path,
    folder: Path,
    student: ModelConfig,
    config: TrainConfig,
    devices: DeepSpeedConfig,
    rate: float = 1e-3,
) -> None:
    import msgspec

    told = (msgspec.json.encode(part).decode() for part in (student, config, devices))
    line = [sys.executable, "-c", SCRIPT, str(data), str(folder), *told, str(rate)]
    with (folder.parent / "log").open("wb") as log:
        process = subprocess.Popen(line, stdout=log, stderr=log)
        path = folder / "curve.jsonl"
        deadline = time.monotonic() + 200
        while not path.exists() or path.read_bytes().count(b"\n") < KILL_AT:
            assert process.poll() is None, (folder.parent / "log").read_text()[-3000:]
            assert time.monotonic() < deadline, (folder / "train.log").read_text()[-3000:]
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
    while workers(folder):
        assert time.monotonic() < deadline, "processes outlive the one that started them"
        time.sleep(0.05)


@pytest.mark.parametrize(("kind", "packing"), [("zero2", False), ("zero3", True)])
def test_two_processes_train_as_one_and_go_on_exactly_after_kill_9(
    kind: str,
    packing: bool,
    alone: dict[bool, Path],
    samples: Path,
    student: ModelConfig,
    tmp_path: Path,
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder, config = tmp_path / "out", replace(LONG, packing=packing)
    kill_midway(samples, folder, student, config, two(kind))
    before = curve_of_whole_lines(folder)
    resumed = newest_checkpoint(folder / "checkpoints")
    assert resumed is not None and not (folder / "model").exists()
    step = int(resumed.name.split("-")[1])
    assert 0 < step < len(before) < 33, "nothing would be taken again"
    counts = finetune(samples, student, config, 1e-3, 0, folder, "again", two(kind))

    after = curve(folder)
    assert after[: len(before)] == before  # bit for bit, those before the checkpoint and after
    assert sorted(p.name for p in folder.iterdir()) == ["curve.jsonl", "model"]
    one = curve(alone[packing])
    assert [line["step"] for line in after] == [line["step"] for line in one] == [*range(1, 34)]
    for name in ("loss", "loss_capability", "loss_style", "tokens", "learning_rate", "grad_norm"):
        assert [x[name] for x in after] == pytest.approx([x[name] for x in one], rel=2e-3), name
    assert counts["trained_tokens"] == sum(line["tokens"] for line in one)

    trained, reference = (
        AutoModelForCausalLM.from_pretrained(path / "model", dtype=torch.float32)
        for path in (folder, alone[packing])
    )
    for mine, theirs in zip(trained.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-2, atol=2e-3)
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    asked = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Print it."}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    said = [m.generate(**asked, max_new_tokens=8, do_sample=False) for m in (trained, reference)]
    assert said[0].tolist() == said[1].tolist()


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job of two nodes that are this machine: srun starts what it is told once for each."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    (folder / "scontrol").write_text(
        '#!/bin/sh\ntest "$*" = "show hostnames here[1-2]" && echo localhost && echo localhost\n'
    )
    (folder / "srun").write_text(
        '#!/bin/sh\nwhile [ "${1#--}" != "$1" ]; do shift; done\n'
        '"$@" & first=$!\n"$@" & second=$!\nwait $first && wait $second\n'
    )
    for tool in folder.iterdir():
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_NODELIST", "here[1-2]")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.mark.usefixtures("slurm")
def test_low_rank_updates_are_trained_by_devices_that_share_rows_and_weights(
    samples: Path, student: ModelConfig, tmp_path: Path
) -> None:
    """Killed on one node and gone on with on two, as on one device, which neither exchanges nor
    gathers anything."""
    from transformers import AutoModelForCausalLM

    config = replace(LONG, epochs=2, packing=True, lora=LoraConfig(rank=4))
    folder, reference = tmp_path / "out", tmp_path / "reference"
    both = replace(two("zero3"), sequence_parallel=2)
    finetune(samples, student, config, 1e-2, 0, reference, "sft")
    kill_midway(samples, folder, student, config, both, 1e-2)
    before = curve_of_whole_lines(folder)
    nodes = replace(both, processes=1, nodes=2, launcher="slurm", port=free_port())
    counts = finetune(samples, student, config, 1e-2, 0, folder, "again", nodes)

    after, one = curve(folder), curve(reference)
    assert after[: len(before)] == before
    assert sorted(p.name for p in folder.iterdir()) == ["adapter", "curve.jsonl", "model"]
    assert counts["trained_tokens"] == sum(line["tokens"] for line in one)
    assert after[-1]["loss"] < after[0]["loss"] - 0.1
    for name in ("loss", "loss_capability", "loss_style", "tokens", "grad_norm"):
        assert [x[name] for x in after] == pytest.approx([x[name] for x in one], rel=2e-3), name
    trained, wanted = (
        AutoModelForCausalLM.from_pretrained(path / "model", dtype=torch.float32)
        for path in (folder, reference)
    )
    for mine, theirs in zip(trained.parameters(), wanted.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-2, atol=2e-3)


def curve_of_whole_lines(folder: Path) -> list[dict[str, float]]:
    """As it was when the processes died, perhaps in the middle of a line."""
    path = folder / "curve.jsonl"
    whole = path.read_bytes().rsplit(b"\n", 1)[0] + b"\n"
    copy = folder.parent / "curve.jsonl"
    copy.write_bytes(whole)
    return curve(folder.parent)


def test_what_goes_wrong_in_a_process_is_one_clear_error(
    samples: Path, student: ModelConfig, tmp_path: Path
) -> None:
    wrong = replace(LONG, lora=LoraConfig(rank=2, targets=("no_such_proj",)))
    with pytest.raises(ConfigError, match=r"train.lora.targets=\['no_such_proj'\] match no module"):
        finetune(samples, student, wrong, 1e-3, 0, tmp_path, "sft", DeepSpeedConfig("zero2"))
    assert not (tmp_path / "model").exists()


def test_a_process_that_dies_is_told_by_what_it_said(tmp_path: Path) -> None:
    job = Job("a", str(tmp_path), "c", LONG, two("zero2"), 1e5, 1e-3, 7)
    (tmp_path / "train.log").write_text(
        "UserWarning: RuntimeError may follow\n[rank1]: Traceback (most recent call last):\n"
        "[rank1]:   File 'x.py', line 7\n[rank1]: torch.OutOfMemoryError: CUDA out of memory.\n"
        "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n"
    )
    with pytest.raises(TrainingError, match=r"status 1.* says\n  \| torch.OutOfMemoryError: CUDA"):
        _explain(job, 1)


@pytest.mark.usefixtures("slurm")
def test_each_launcher_has_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = DeepSpeedConfig("zero3", processes=8, nodes=4, hostfile="hosts", port=29501)
    job = tmp_path / "job.json"
    over_ssh = " ".join(command(replace(config, launcher="hostfile"), job))
    assert "deepspeed.launcher.runner --hostfile hosts --num_nodes 4 --num_gpus 8" in over_ssh
    assert over_ssh.endswith(f"--master_port 29501 --module train.worker {job}")

    slurm = replace(config, launcher="slurm")
    by_srun = " ".join(command(slurm, job))
    assert by_srun.startswith("srun --nodes=4 --ntasks-per-node=1 --kill-on-bad-exit=1 ")
    meeting = "--rdzv-backend c10d --rdzv-endpoint localhost:29501"
    assert f"--nnodes 4 {meeting} --nproc-per-node 8" in by_srun
    monkeypatch.delenv("SLURM_JOB_NODELIST")
    with pytest.raises(MissingError, match=r"outside of a Slurm job; .*salloc --nodes=4"):
        command(slurm, job)


def test_an_engine_that_is_not_deepspeeds_is_refused() -> None:
    from train.zero import EngineCheck

    class Undivided:
        model_wrapped = torch.nn.Linear(1, 1)

    check = EngineCheck("zero3")
    check.trainer = Undivided()
    with pytest.raises(TrainingError, match="deepspeed=zero3, but the model is run by Linear"):
        check.on_train_begin()


def test_a_job_is_read_as_it_was_written(tmp_path: Path) -> None:
    lora = LoraConfig(rank=8, targets=("q_proj", "v_proj"))
    config = replace(LONG, lora=lora, system="Be brief.")
    job = Job("a", "b", "c", config, two("zero2"), 1e5, 1e-3, 7)
    job.write(tmp_path / "job.json")
    assert Job.read(tmp_path / "job.json") == job


def test_offloading_is_configured_for_deepspeeds_own_optimizer() -> None:
    from train.zero import zero_config

    told = zero_config(two("zero3_offload"))
    assert told is not None and zero_config(DeepSpeedConfig()) is None
    assert told["optimizer"]["type"] == "AdamW"
    assert told["zero_optimization"]["offload_param"] == {"device": "cpu"}
    assert "train_batch_size" not in told
