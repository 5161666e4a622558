"""The miniature models are made anew by one command, whatever interrupts it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tessy.checkpoints import locate
from tessy.dialects import DIALECTS, Dialect, load_dialect
from tessy.mini import pretrain
from tessy.mini.corpus import batch_of, student_row, teacher_row

CPU = torch.device("cpu")


def recipe(name: str, **changes: Any) -> pretrain.Recipe:
    found = next(r for r in pretrain.RECIPES if r.name == name)
    return dataclasses.replace(found, batch=4, **changes)


@pytest.fixture(scope="module")
def dialect() -> Dialect:
    return load_dialect("qwen3", locate("mini:student"))


def test_a_killed_pretraining_goes_on_to_the_same_model(
    tmp_path: Path, dialect: Dialect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrain, "SAVE_EVERY", 2)
    whole = recipe("predictor_student", steps=6)
    pretrain.train(whole, dialect, tmp_path / "whole", 0, CPU)

    calls = []

    def dies(*arguments: Any) -> dict[str, float]:
        calls.append(arguments)
        if len(calls) == 2:  # after step 4, before its state is saved
            raise KeyboardInterrupt
        return whole.validate(*arguments)

    with pytest.raises(KeyboardInterrupt):
        pretrain.train(dataclasses.replace(whole, validate=dies), dialect, tmp_path / "cut", 0, CPU)
    assert (tmp_path / "cut" / "predictor_student.partial").exists()
    pretrain.train(whole, dialect, tmp_path / "cut", 0, CPU)

    folders = [tmp_path / name / "predictor_student" for name in ("whole", "cut")]
    first, second = (load_file(f / "model.safetensors") for f in folders)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
    steps = [json.loads(line)["step"] for line in (folders[1] / "curve.jsonl").open()]
    assert steps == [2, 4, 6]
    assert not (tmp_path / "cut" / "predictor_student.partial").exists()


def test_the_tokenizers_are_those_that_ship(dialect: Dialect) -> None:
    made = pretrain.make_tokenizers()
    text = "Okay, let me see: `x % 7 == 0`."
    for name, path in (("qwen3", "mini:student"), ("gpt_oss", "mini:teacher")):
        shipped = load_dialect(name, locate(path))
        assert made[name].get_vocab() == shipped.tokenizer.get_vocab()
        assert DIALECTS[name](made[name]).encode(text) == shipped.encode(text)


@pytest.mark.parametrize("name", ["student", "teacher"])
def test_training_rows_are_the_ids_of_the_dialect(name: str) -> None:
    import random

    family = {"student": "qwen3", "teacher": "gpt_oss"}[name]
    speaker = load_dialect(family, locate(f"mini:{name}"))
    make = {"student": student_row, "teacher": teacher_row}[name]
    for seed in range(20):
        row = make(speaker, random.Random(seed), 3)
        text = speaker.decode(row.ids)
        assert len(row.weights) == len(row.ids)
        assert speaker.encode_marker(text) == row.ids  # no token straddles a border of a span
    ids, weights, mask = batch_of([row], 0)
    assert ids.shape == weights.shape == mask.shape and ids.shape[1] % 32 == 0
