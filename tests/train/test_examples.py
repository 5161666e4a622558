"""Trajectories become the ids that inference sees and produces, and nothing is lost in silence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tessy.dialects import load_dialect
from tessy.dialects.base import Dialect
from tessy.errors import DataError
from tessy.records import Message, Span, with_system
from tests.dialects.families import FAMILIES, save
from tests.train.conftest import trajectory
from train.examples import IGNORED, PROMPT, STUDENT, TEACHER, example


def test_training_ids_are_the_ids_of_inference(dialect: Dialect) -> None:
    """Rebuilt as a model generates: prompt, then thinking up to its end, then the answer."""
    sample = trajectory(3)
    made = example(sample, dialect)
    prompt = dialect.prompt_ids(sample.messages)
    thinking = dialect.thinking_ids(sample.text("think"))
    answer = [*dialect.encode(sample.text("answer")), dialect.tokenizer.eos_token_id]
    assert made.input_ids.tolist() == prompt + thinking + answer
    assert dialect.end_think_id in thinking
    assert dialect.split(made.input_ids.tolist()[len(prompt) :]) == (
        sample.text("think"),
        sample.text("answer"),
    )
    assert dialect.decode(made.input_ids.tolist()) == (
        "<|im_start|>user\nPrint the sum of the even numbers.<|im_end|>\n<|im_start|>assistant\n"
        f"<think>\n{sample.text('think')}\n</think>\n\n{sample.text('answer')}<|im_end|>"
    )


def test_only_the_completion_bears_loss(dialect: Dialect) -> None:
    made = example(trajectory(), dialect)
    start = len(dialect.prompt_ids(trajectory().messages))
    assert made.labels.tolist()[:start] == [IGNORED] * start
    assert made.labels.tolist()[start:] == made.input_ids.tolist()[start:]
    assert made.labels.tolist()[-1] == dialect.tokenizer.eos_token_id


def test_text_that_spells_a_special_token_does_not_become_one(dialect: Dialect) -> None:
    spans = (
        Span("student", "think", "is <think> closed by </think>?", 9),
        Span("student", "answer", "yes<|im_end|>", 2),
    )
    made = example(trajectory(spans=spans, question="what is <|im_end|>?"), dialect)
    markers = [dialect.end_think_id, dialect.open_ids[0], dialect.tokenizer.eos_token_id]
    assert [made.input_ids.tolist().count(m) for m in markers] == [
        1,
        1,
        2,
    ]  # one ends the user's turn
    assert len(made.writers.tolist()) == len(made.input_ids.tolist())


def test_writers_say_who_wrote_each_token(dialect: Dialect) -> None:
    spans = (
        Span("student", "think", "\nOkay, é🙂", 5),
        Span("teacher", "think", " sum(a)\n", 4),
        Span("student", "answer", "\nprint(1)", 3),
    )
    made = example(trajectory(spans=spans), dialect)

    def wrote(writer: int) -> str:
        ids = zip(made.input_ids.tolist(), made.writers.tolist(), strict=True)
        return dialect.decode([i for i, w in ids if w == writer])

    assert wrote(PROMPT) == dialect.decode(dialect.prompt_ids(trajectory().messages))
    assert wrote(STUDENT) == "<think>\nOkay, é🙂print(1)<|im_end|>"
    assert wrote(TEACHER) == " sum(a)\n</think>\n\n"


def test_a_token_across_two_spans_belongs_to_who_began_it(dialect: Dialect) -> None:
    text = "But wait"  # one word of the vocabulary, cut in the middle
    assert len(dialect.encode(text)) < len(text)
    spans = (
        Span("teacher", "think", text[:5], 1),
        Span("student", "think", text[5:], 1),
        Span("student", "answer", "ok", 1),
    )
    made = example(trajectory(spans=spans), dialect)
    begins = dialect.starts(text)
    opening = len(made.input_ids.tolist()) - made.labels.tolist().count(IGNORED)
    body = made.writers.tolist()[len(made.writers.tolist()) - opening + len(dialect.open_ids) :][
        : len(begins)
    ]
    assert body == [TEACHER if at < 5 else STUDENT for at in begins]


@pytest.mark.parametrize("thinking", ["", "\n\n"])
def test_a_sample_without_a_thought_closes_by_who_answers(dialect: Dialect, thinking: str) -> None:
    thought = (Span("teacher", "think", thought, 1) for thought in [thinking] if thought)
    spans = (*thought, Span("student", "answer", "\nprint(1)", 3))
    made = example(trajectory(spans=spans), dialect)
    assert len(made.writers.tolist()) == len(made.input_ids.tolist())
    completion = [
        i
        for i, w in zip(made.input_ids.tolist(), made.writers.tolist(), strict=True)
        if w == STUDENT
    ]
    assert dialect.decode(completion) == "<think>\n\n</think>\n\nprint(1)<|im_end|>"
    assert TEACHER not in made.writers.tolist()


@pytest.mark.parametrize("family", FAMILIES)
def test_training_ids_are_those_that_the_engine_saw_and_produced(
    family: str, tmp_path: Path
) -> None:
    """For each family: what was put before the model, then what it wrote up to its stop token."""
    there = FAMILIES[family]
    dialect = load_dialect(there.dialect, save(there, tmp_path), there.arguments or {})
    asked = (Message("system", "Be brief."), Message("user", "Sum of <think> 1 and 2?"))
    thinking, answer = "Okay, let me see.\nBut wait: 1 + 2 is 3.", "It is 3.\n\nprint(3)"
    seen = dialect.prompt_ids(asked)
    thought = dialect.encode(thinking + dialect.padding) if dialect.thinks else []
    closed = [*dialect.open_ids, *thought, *dialect.close_ids] if dialect.thinks else []
    produced = [*closed, *dialect.encode(answer), *dialect.end_ids]
    think, said = dialect.split(produced)
    assert (think, said) == (thinking if dialect.thinks else "", answer)
    spans = [Span("teacher", "think", think[:20], 1), Span("student", "think", think[20:], 1)]
    written = [*(spans if dialect.thinks else []), Span("student", "answer", said, 1)]
    sample = replace(trajectory(spans=tuple(written)), messages=asked[1:])
    made = example(sample, dialect, system=asked[0].content)
    assert made.input_ids.tolist() == seen + produced
    assert made.labels.tolist() == [IGNORED] * len(seen) + produced
    assert [w != PROMPT for w in made.writers.tolist()] == [
        label != IGNORED for label in made.labels.tolist()
    ]
    assert (TEACHER in made.writers.tolist()) == dialect.thinks


def test_a_system_prompt_comes_before_the_one_that_there_is() -> None:
    asked = (Message("system", "Old."), Message("user", "?"))
    assert with_system(asked, "") == asked
    assert with_system(asked, "New.") == (Message("system", "New.\n\nOld."), asked[1])
    assert with_system(asked[1:], "New.") == (Message("system", "New."), asked[1])


@pytest.mark.parametrize(
    ("spans", "says"),
    [
        ((), "has no spans"),
        ((Span("student", "think", "", 0), Span("student", "answer", "a", 1)), "has empty spans"),
        ((Span("student", "think", "so", 1),), "has no answer"),
        (
            (Span("student", "answer", "a", 1), Span("teacher", "think", "so", 1)),
            "has thinking after its answer",
        ),
        ((Span("student", "think", "so", 1), Span("student", "answer", "\n", 1)), "has no answer"),
        ((Span("student", "answer", "é!", 4),), r"has a span of 4 tokens and 2 characters \('é!'"),
        ((Span("student", "answer", "a", 0),), "has a span of 0 tokens and 1 characters"),
    ],
)
def test_a_malformed_sample_is_named(dialect: Dialect, spans: tuple[Span, ...], says: str) -> None:
    with pytest.raises(DataError, match=f"'q0', repeat 0, of method 'tessy' {says}"):
        example(trajectory(spans=spans), dialect)
