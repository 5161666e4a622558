"""Annotating by a real model: every answer is journaled, and what is dropped is counted."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tessy.boundary.annotate import annotate, model_annotator, usable
from tessy.boundary.annotation import request
from tessy.boundary.segments import Segment
from tessy.config import EngineConfig, ModelConfig, ServeConfig
from tessy.dialects import load_dialect
from tessy.engines import ModelSpec, open_engines
from tessy.engines.asking import GIVE_UP, Answer, Answers, asker
from tessy.errors import ArtifactError, DataError
from tests.tiny import save_qwen

PASSAGES = [" And so it is", " x % 2 == 0", " wait: so, done.", " the also-ran", "\nSo, so be it"]
SEGMENTS = [Segment(f"q{n}", 0, 7, text) for n, text in enumerate(PASSAGES)]
LABELS = {0: [0, 1, 0, 0], 2: [0, 1, 0], 4: [0, 1, 0, 0]}  # where it finds its "so"


@pytest.fixture(scope="session")
def annotator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Qwen3 that thinks "Hm." and answers ["so"]."""
    folder = save_qwen(tmp_path_factory.mktemp("annotator"), steps=0)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    answer = tokenizer.encode('Hm.\n</think>\n\n["so"]<|im_end|>')
    prompts = [
        tokenizer.encode(
            f"<|im_start|>user\n{request(text)}<|im_end|>\n<|im_start|>assistant\n<think>\n"
        )
        for text in PASSAGES
    ]
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    worst = 1.0
    while worst > 0.01:
        worst = 0.0
        for prompt in prompts:
            ids = torch.tensor([prompt + answer])
            labels = torch.tensor([[-100] * len(prompt) + answer])
            loss = model(input_ids=ids, labels=labels).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            worst = max(worst, loss.item())
    model.save_pretrained(folder)
    return folder


def run(
    folder: Path,
    journal: Path,
    segments: list[Segment] = SEGMENTS,
    at_once: int = 3,
    max_tokens: int = 40,
    context: int = 2048,
) -> Counter[str]:
    """Annotate into `journal`; the counts of the engine."""
    config = ModelConfig("tiny", str(folder), "qwen3", 1e5, 1e5, context)
    engine = EngineConfig("transformers", "cpu", at_once, 1)

    async def work() -> Counter[str]:
        spec = {"teacher": ModelSpec(folder, context)}
        async with open_engines(spec, engine, ServeConfig(), at_once, journal.parent) as engines:  # type: ignore[arg-type]
            dialect = load_dialect("qwen3", folder)
            ask = model_annotator(asker(engines["teacher"], dialect, config, max_tokens, 0))
            with Answers(journal) as answers:
                await annotate(segments, ask, answers, at_once, "annotate")
            return engines["teacher"].counts

    return asyncio.run(work())


def test_a_models_answers_become_labels_and_reasons(annotator: Path, tmp_path: Path) -> None:
    run(annotator, tmp_path / "a.jsonl")
    with Answers(tmp_path / "a.jsonl") as answers:
        assert {a.text for a in answers.by_key.values()} == {'["so"]'}
        kept, counts = usable(SEGMENTS, answers)
    assert {int(s.question_id[1:]): labels for s, labels in kept} == LABELS
    assert counts["annotated"] == 5 and counts["usable"] == 3 and counts["dropped_not_found"] == 2
    assert counts["style_words"] == 3 and counts["words"] == 11
    assert counts["truncated_lines"] == 0


def test_answers_do_not_depend_on_how_many_are_asked_at_once(
    annotator: Path, tmp_path: Path
) -> None:
    for at_once in (1, 5):
        run(annotator, tmp_path / f"{at_once}.jsonl", at_once=at_once)
    one, five = ((tmp_path / f"{n}.jsonl").read_text().splitlines() for n in (1, 5))
    assert sorted(one) == sorted(five) and len(one) == 5


def test_interrupted_anywhere_it_asks_for_the_rest_only(annotator: Path, tmp_path: Path) -> None:
    run(annotator, tmp_path / "whole.jsonl", at_once=1)
    lines = (tmp_path / "whole.jsonl").read_bytes().splitlines(keepends=True)
    for n in range(len(lines)):
        journal = tmp_path / f"{n}.jsonl"
        half = lines[n][: len(lines[n]) * (n % 3) // 3]  # the next one was being written
        journal.write_bytes(b"".join(lines[:n]) + half)
        assert run(annotator, journal, at_once=1)["requests"] == len(lines) - n
        assert journal.read_bytes() == b"".join(lines)
        assert run(annotator, journal)["requests"] == 0


def test_an_answer_that_does_not_end_is_truncated_and_one_that_cannot_be_asked_failed(
    annotator: Path, tmp_path: Path
) -> None:
    run(annotator, tmp_path / "short.jsonl", max_tokens=4)
    with (
        Answers(tmp_path / "short.jsonl") as answers,
        pytest.raises(DataError, match=r"of 5 answers .* \(truncated 5\); choose another"),
    ):
        usable(SEGMENTS, answers)
    long = Segment("long", 0, 0, " so" * 2000)  # longer than the context
    run(annotator, tmp_path / "long.jsonl", [SEGMENTS[0], long])
    with Answers(tmp_path / "long.jsonl") as answers:
        assert "does not fit" in answers.by_key[long.name].error
        assert usable([SEGMENTS[0], long], answers)[1]["dropped_failed"] == 1


def test_an_annotator_that_is_none_is_given_up(tiny: dict[str, Path], tmp_path: Path) -> None:
    """A model that writes whatever comes to its mind."""
    many = [Segment(f"q{n}", 0, 0, f"so it is {n}") for n in range(3 * GIVE_UP)]
    message = r"of 100 answers of the annotator none can be used \((not_json|truncated) "
    with pytest.raises(DataError, match=message):
        run(tiny["student"], tmp_path / "a.jsonl", many, at_once=20, max_tokens=8)
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == GIVE_UP


def test_a_line_that_is_no_answer_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with Answers(path) as answers:
        answers.add(Answer("q0#0@7", '["so"]', "complete"))
    with path.open("a") as file:
        file.write('{"key": "q1#0@7"}\n')
    with pytest.raises(ArtifactError, match=r"a.jsonl:2: not a Answer .*missing text, finish"):
        Answers(path)
