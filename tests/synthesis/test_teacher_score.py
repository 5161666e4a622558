"""Teacher-Score: how a score is read, and which candidate is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_model
from transformers import GptOssForCausalLM

from tessy.dialects import load_dialect
from tessy.engines.base import Request
from tessy.records import Message
from tessy.synthesis.methods.teacher_score import ASKED, best, parse_score
from tessy.synthesis.parts import Sources
from tests.synthesis.parts import PROMPTS, ROOMY, SAMPLES, run
from tests.tiny import save_gpt_oss


@given(st.integers(0, 100), st.text(), st.sampled_from(["SCORE: {}", "**SCORE: {}**", "SCORE:{}"]))
def test_a_score_on_the_last_line_is_read(score: int, before: str, form: str) -> None:
    assert parse_score(f"{before}\n{form.format(score)}\n") == score


@given(st.text())
def test_nothing_else_is_a_score(text: str) -> None:
    assert parse_score(text) is None
    assert parse_score(f"SCORE: 5\n{text}.") is None


@pytest.mark.parametrize(
    "answer", ["", "SCORE: 101", "SCORE: -1", "SCORE: 7.5", "SCORE: 7/10", "score: 7", "SCORE: ٣"]
)
def test_what_looks_like_a_score_is_none(answer: str) -> None:
    assert parse_score(answer) is None


FINISHES = st.sampled_from(["complete", "length", "degenerate", "failed"])


@given(st.lists(st.tuples(FINISHES, st.none() | st.integers(0, 100)), min_size=1, max_size=6))
def test_the_first_of_the_best_is_kept(candidates: list[tuple[Any, int | None]]) -> None:
    kept = best([finish for finish, _ in candidates], [score for _, score in candidates])
    if all(finish != "complete" for finish, _ in candidates):
        assert kept == 0
        return
    assert candidates[kept][0] == "complete"

    def rank(i: int) -> int:
        score = candidates[i][1]
        return -1 if score is None else score

    for i, (finish, _) in enumerate(candidates):
        if finish == "complete":
            assert rank(i) < rank(kept) or (rank(i) == rank(kept) and i >= kept)


def test_a_teacher_that_cannot_score_keeps_the_first_that_finished(
    tiny: dict[str, Path], sources: Sources, asked: list[Request], tmp_path: Path
) -> None:
    done, counts = run(tiny, tmp_path, "teacher_score", sources=sources, candidates=3, **ROOMY)
    assert counts["candidates"] == 18 and counts["student.requests"] == 12
    finished = counts["candidates"] - counts["candidates_unfinished"]
    assert counts["scores"] == counts["scores_unparsed"] == counts["teacher.requests"] == finished
    assert counts["scores_failed"] == 0
    by_teacher = [r for r in asked if not r.sampling.temperature]
    assert len(by_teacher) == finished > 2
    firsts = 0
    for t in done:
        first = sources["student_only"][t.key]
        assert t.metadata["scores"] == [None, None, None]
        assert {s.writer for s in t.spans} <= {"student"}
        if t.metadata["kept"] == 0:
            firsts += 1
            assert (t.spans, t.finish, t.seeds) == (first.spans, first.finish, first.seeds)
            assert t.tokens["student_reused"] == t.tokens["student_kept"]
        else:
            assert first.finish != t.finish == "complete"
            assert t.seeds["student"] != first.seeds["student"]
            assert "student_reused" not in t.tokens
    assert 0 < firsts < len(done)
    kept_own = sum(t.tokens["student_kept"] > 0 < t.metadata["kept"] for t in done)
    assert kept_own and 0 < counts["thrown_away"] < counts["student_generated"]


def teach_replies(folder: Path, prompts: list[tuple[int, ...]], replies: list[str]) -> None:
    """Teach a tiny teacher a reply to each prompt by heart."""
    dialect = load_dialect("gpt_oss", folder)
    model = GptOssForCausalLM.from_pretrained(folder)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    skip = len(dialect.open_ids)  # the prompts open the thinking
    endings = [dialect.completion_ids("", reply)[skip:] for reply in replies]
    width = max(len(p) + len(e) for p, e in zip(prompts, endings, strict=True))
    ids, labels = torch.zeros(2, len(prompts), width, dtype=torch.int64)
    labels -= 100
    for row, (prompt, ending) in enumerate(zip(prompts, endings, strict=True)):
        end = len(prompt) + len(ending)
        ids[row, :end] = torch.tensor([*prompt, *ending])
        labels[row, len(prompt) : end] = torch.tensor(ending)
    for _ in range(200):
        logits = model(input_ids=ids).logits[:, :-1].flatten(0, 1)
        losses = torch.nn.functional.cross_entropy(
            logits, labels[:, 1:].flatten(), reduction="none"
        )
        losses.sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        if losses.max() < 0.2:
            break
    save_model(model, str(folder / "model.safetensors"), metadata={"format": "pt"})


def test_the_candidate_with_the_highest_score_is_kept(
    tiny: dict[str, Path], sources: Sources, asked: list[Request], tmp_path: Path
) -> None:
    samples = [key for key, t in sources["student_only"].items() if t.finish == "complete"][:1]
    arguments = {**ROOMY, "samples": samples, "sources": sources, "candidates": 4}
    (first,), _ = run(tiny, tmp_path / "cannot", "teacher_score", **arguments)
    prompts = [r.prompt_ids for r in asked if not r.sampling.temperature]
    assert first.metadata["kept"] == 0 and len(prompts) >= 3
    replies = ["SCORE: 20", "A fine one.\nSCORE: 71", "SCORE: 71", "SCORE: one"][: len(prompts)]
    scorer = save_gpt_oss(tmp_path / "scorer", steps=0)
    teach_replies(scorer, prompts, replies)
    asked.clear()
    (best_of,), counts = run(
        {**tiny, "teacher": scorer}, tmp_path / "can", "teacher_score", **arguments
    )
    assert [r.prompt_ids for r in asked if not r.sampling.temperature] == prompts
    scores = [s for s in best_of.metadata["scores"] if s is not None]
    assert scores == [20, 71, 71]
    assert best_of.metadata["kept"] == best_of.metadata["scores"].index(71)
    assert counts["scores_unparsed"] == len(prompts) - 3
    assert best_of.spans != first.spans and best_of.finish == "complete"
    dialect = load_dialect("gpt_oss", scorer)
    shown = ASKED.format(
        question=PROMPTS[best_of.question_id],
        thinking=best_of.text("think"),
        answer=best_of.text("answer"),
    )
    want = dialect.prompt_ids([Message("user", shown)]) + dialect.open_ids
    assert tuple(want) == prompts[1], "the kept response is the one that the score was given for"


def test_a_candidate_that_does_not_fit_the_teacher_has_no_score(
    tiny: dict[str, Path], sources: Sources, tmp_path: Path
) -> None:
    small = {"limit": 200, "context": 300, "candidates": 2}
    _, counts = run(tiny, tmp_path, "teacher_score", sources=sources, **small)
    assert counts["scores"] == counts["scores_failed"] > 0 == counts["scores_unparsed"]
    assert counts["samples"] == len(SAMPLES) and counts["complete"] > 0
    faults = [line for line in (tmp_path / "journal.jsonl").open() if '"fault"' in line]
    assert len(faults) == counts["scores_failed"]
