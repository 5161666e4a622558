"""Models that misbehave: each sample ends, with the outcome that has a name."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.synthesis.parts import biased, run


def taught(source: Path, folder: Path, document: str) -> Path:
    """The model, made to say one document whatever it is asked."""
    shutil.copytree(source, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = torch.tensor([tokenizer.encode(document, add_special_tokens=False)])
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(80):
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    return folder


def test_a_student_that_closes_its_thinking_at_once_is_degenerate(
    tiny: dict[str, Path], tmp_path: Path
) -> None:
    document = "<|im_start|>assistant\n<think>\n</think>\n\nIt is short.<|im_end|>" * 4
    student = taught(tiny["student"], tmp_path / "student", document)
    done, counts = run({**tiny, "student": student}, tmp_path / "out", temperature=0.1)
    assert counts["degenerate"] == counts["empty_thinking"] == len(done)
    assert all(t.spans == () for t in done)
    whole, _ = run(
        {**tiny, "student": student}, tmp_path / "whole", "student_only", temperature=0.1
    )
    assert {t.text("think") for t in whole} == {""}


def test_a_teacher_that_never_stops_thinking_is_cut_at_the_limit_or_found_to_repeat_itself(
    tiny: dict[str, Path], tmp_path: Path
) -> None:
    # The student's words all belong to the teacher, who thus writes all of the thinking.
    yes = biased(tiny, tmp_path / "capability", style=False)
    words = " ".join(f"number {n} is {n * n} and" for n in range(40))
    for document, finish in ((words, "length"), ("and so on " * 60, "degenerate")):
        prefix = "<|start|>assistant<|channel|>analysis<|message|>"
        teacher = taught(tiny["teacher"], tmp_path / finish, prefix + document)
        for kind in ("teacher_only", "tessy"):
            done, counts = run(
                {**tiny, "teacher": teacher, "yes": yes},
                tmp_path / f"{kind}-{finish}",
                kind,
                predictors=("yes", "yes"),
                temperature=0.1,
                limit=150,
            )
            assert counts[finish] == len(done) and counts["complete"] == 0
            assert all(t.text("answer") == "" for t in done)
