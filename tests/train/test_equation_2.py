"""L_cap and L_sty are the losses of who wrote what: in training, weighted, and before it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tessy.config import LossConfig, ModelConfig, TrainConfig
from tessy.dialects.base import Dialect
from tessy.records import read_jsonl
from tests.train.conftest import trajectory, write
from train.curve import read_curve
from train.examples import STUDENT, TEACHER, example
from train.run import finetune
from train.score import SCORES, Score, score

WRITERS = {"student": STUDENT, "teacher": TEACHER}


@pytest.fixture(scope="session")
def plain(student: ModelConfig, dialect: Dialect) -> list[dict[str, tuple[float, int]]]:
    """By a plain forward pass: for each sample and writer, summed loss and tokens."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(student.path, dtype=torch.float32)
    found = []
    for number in range(22):
        made = example(trajectory(number), dialect)
        ids, writers = torch.tensor(made.input_ids.tolist()), torch.tensor(made.writers.tolist())
        with torch.no_grad():
            logits = model(ids[None]).logits[0, :-1]
        losses = torch.nn.functional.cross_entropy(logits, ids[1:], reduction="none")
        found.append(
            {
                name: (float(losses[writers[1:] == w].sum()), int((writers == w).sum()))
                for name, w in WRITERS.items()
            }
        )
    return found


def mean(plain: list[dict[str, tuple[float, int]]], *names: str) -> float:
    parts = [sample[name] for sample in plain for name in names]
    return sum(loss for loss, _ in parts) / sum(n for _, n in parts)


def first_step(samples: Path, student: ModelConfig, config: TrainConfig, folder: Path) -> Any:
    everything = replace(config, global_batch=22, micro_batch=11, epochs=1)
    finetune(samples, student, everything, 1e-3, 0, folder, "sft")
    return read_curve(folder / "curve.jsonl")[0]


@pytest.mark.parametrize(("style", "capability"), [(1.0, 1.0), (0.0, 1.0), (0.5, 2.0)])
@pytest.mark.parametrize("cross_entropy", ["chunked", "whole"])
def test_the_curve_has_both_sums_and_the_loss_weighs_them(
    samples: Path,
    student: ModelConfig,
    settings: TrainConfig,
    plain: list[dict[str, tuple[float, int]]],
    tmp_path: Path,
    style: float,
    capability: float,
    cross_entropy: Any,
) -> None:
    config = replace(
        settings,
        loss=LossConfig(style, capability),
        memory=replace(settings.memory, cross_entropy=cross_entropy),
    )
    line = first_step(samples, student, config, tmp_path)
    assert line["loss_style"] == pytest.approx(mean(plain, "student"), rel=1e-5)
    assert line["loss_capability"] == pytest.approx(mean(plain, "teacher"), rel=1e-5)
    tokens = {name: sum(sample[name][1] for sample in plain) for name in WRITERS}
    weighted = style * tokens["student"] * line["loss_style"]
    weighted += capability * tokens["teacher"] * line["loss_capability"]
    assert line["loss"] == pytest.approx(weighted / sum(tokens.values()), rel=1e-5)


def test_a_weight_of_zero_teaches_nothing_of_that_writer(
    student: ModelConfig, settings: TrainConfig, tmp_path: Path
) -> None:
    """Data that the student wrote alone, of which only the teacher's tokens count."""
    alone = [
        replace(t, spans=tuple(replace(s, writer="student") for s in t.spans))
        for t in (trajectory(n) for n in range(4))
    ]
    config = replace(settings, loss=LossConfig(style_weight=0.0), weight_decay=0.0)
    path = write(tmp_path / "t.jsonl", alone)
    finetune(path, student, config, 1e-3, 0, tmp_path / "out", "sft")
    line = read_curve(tmp_path / "out" / "curve.jsonl")[0]
    assert line["loss"] == line["grad_norm"] == 0 and line["loss_style"] > 1
    assert "loss_capability" not in line


def test_the_score_is_that_of_a_plain_forward_pass(
    samples: Path,
    student: ModelConfig,
    settings: TrainConfig,
    plain: list[dict[str, tuple[float, int]]],
    tmp_path: Path,
) -> None:
    counts = score(samples, student, settings, tmp_path, "score")
    assert counts["nll"] == pytest.approx(mean(plain, "student", "teacher"), rel=1e-5)
    assert counts["nll_student"] == pytest.approx(mean(plain, "student"), rel=1e-5)
    assert counts["nll_teacher"] == pytest.approx(mean(plain, "teacher"), rel=1e-5)
    assert [p.name for p in tmp_path.iterdir()] == [SCORES]
    for stored in read_jsonl(tmp_path / SCORES, Score):
        there = plain[int(stored.question_id[1:])]
        assert stored.teacher_nll == pytest.approx(there["teacher"][0], rel=1e-4)
        assert (stored.student_tokens, stored.teacher_tokens) == (
            there["student"][1],
            there["teacher"][1],
        )


def test_a_killed_score_goes_on_and_ends_the_same(
    samples: Path, student: ModelConfig, settings: TrainConfig, tmp_path: Path
) -> None:
    whole = score(samples, student, settings, tmp_path, "score")
    lines = (tmp_path / SCORES).read_text().splitlines(keepends=True)
    (tmp_path / SCORES).write_text("".join(lines[:9]) + lines[9][:20])
    assert score(samples, student, settings, tmp_path, "again") == pytest.approx(whole, rel=1e-6)
    assert sorted((tmp_path / SCORES).read_text().splitlines(keepends=True))[0] in lines
    assert len((tmp_path / SCORES).read_text().splitlines()) == 22
