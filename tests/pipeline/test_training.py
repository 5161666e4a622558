"""What the pipeline says of training before it begins: fit, cost, what is missing, the score."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tessy.config import Experiment
from tessy.errors import ConfigError
from tessy.pipeline.execute import execute
from tessy.pipeline.graph import build
from tessy.pipeline.requirements import missing
from tessy.pipeline.store import Store
from tessy.pipeline.training import training_lines
from tessy.records import Message, Span, Trajectory, dump_line

Compose = Callable[..., Experiment]


def test_the_plan_says_how_long_the_papers_training_is_and_that_it_fits(composed: Compose) -> None:
    cost, memory = training_lines(composed())
    assert "5,625 steps of 128 samples, 9,648,000,000 tokens" in cost  # 80,000 / 128 x 9
    assert "on 8 devices (deepspeed=zero3)" in cost
    assert memory.endswith(": fits in 95% of 141")
    lines = list(training_lines(composed("deepspeed=none")))
    assert "DOES NOT FIT in 95% of 141" in lines[1] and "train=lora" in lines[2]
    assert len(list(training_lines(composed("train=lora", "deepspeed=none")))) == 2
    shared = list(training_lines(composed("deepspeed.sequence_parallel=4")))
    assert "on 8 devices (deepspeed=zero3, 4 to a row)" in shared[0]


def test_an_unknown_model_has_no_known_memory(composed: Compose) -> None:
    lines = list(training_lines(composed("student.path=nobody/nothing")))
    assert lines[1].endswith("its memory is unknown: nobody/nothing is not on this machine")


def test_gpus_that_are_fewer_than_processes_are_named(
    composed: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    e = composed("stage=sft")
    todo = [node for node in build(e) if node.stage == "sft"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert any("set deepspeed.processes=2" in item for item in missing(e, todo))
    e = composed("stage=sft", "deepspeed.processes=2")
    assert not any("deepspeed.processes" in item for item in missing(e, todo))
    odd = composed("stage=sft", "deepspeed.processes=48", "deepspeed.sequence_parallel=3")
    (of_heads,) = [item for item in missing(odd, todo) if "heads" in item]
    assert "qwen3-8b has 32, 8 of keys and values); set it to a divisor of 8" in of_heads
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    offloading = composed("stage=sft", "train.memory.activation_offloading=true")
    assert any("train.memory.activation_offloading" in item for item in missing(offloading, todo))


def test_attention_that_cannot_share_rows_is_refused(composed: Compose) -> None:
    with pytest.raises(ConfigError, match=r"attention=eager with deepspeed.sequence_parallel=2"):
        composed("deepspeed.sequence_parallel=2", "train.memory.attention=eager")


def test_the_score_of_a_data_set_is_an_artifact_with_a_table(
    composed: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("method=[student_only]", "tracking=none", f"outputs_dir={tmp_path}", "stage=score")
    e = composed("experiment=mini", *options)
    store = Store(tmp_path)
    spans = (
        Span("student", "think", "okay, let me see.", 5),
        Span("teacher", "think", " sort the list.", 4),
        Span("student", "answer", "print(sum(a))", 5),
    )
    asked = (Message("user", "Print the sum."),)
    data = Trajectory("q0", 0, "tessy", asked, spans, "complete", {}, 1.0, {}, {})
    for node in build(e):
        if node.stage in ("questions", "synthesize"):
            with store.working(node) as folder:
                (folder / "trajectories.jsonl").write_text(dump_line(data))
                store.complete(node, {"samples": 1})
    execute(e)
    (artifact,) = (tmp_path / "artifacts" / "score").glob("[!.]*")
    counts = json.loads((artifact / "manifest.json").read_text())["counts"]
    written = counts["student_tokens"], counts["teacher_tokens"]
    by_writer = counts["nll_student"] * written[0] + counts["nll_teacher"] * written[1]
    assert counts["nll"] == pytest.approx(by_writer / sum(written))
    table = capsys.readouterr().out
    assert f"{counts['nll']:.4f}" in table and f"{counts['nll_teacher']:.4f}" in table
    execute(e)
    assert "nothing was to do" in capsys.readouterr().out
