"""Trajectories become the ids that inference sees and produces, and nothing is lost in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tessy.dialects.base import Dialect
from tessy.errors import DataError
from tessy.records import Message, Span
from tests.train.conftest import trajectory, write
from train.examples import IGNORED, PROMPT, STUDENT, TEACHER, example, read_examples


def test_training_ids_are_the_ids_of_inference(dialect: Dialect) -> None:
    """Rebuilt as a model generates: prompt, then thinking up to its end, then the answer."""
    sample = trajectory(3)
    made = example(sample, dialect)
    prompt = dialect.prompt_ids(sample.messages)
    thinking = dialect.thinking_ids(sample.text("think"))
    answer = [*dialect.encode(sample.text("answer")), dialect.tokenizer.eos_token_id]
    assert made.input_ids == prompt + thinking + answer
    assert dialect.end_think_id in thinking
    assert dialect.split(made.input_ids[len(prompt) :]) == (
        sample.text("think"),
        sample.text("answer"),
    )
    assert dialect.decode(made.input_ids) == (
        "<|im_start|>user\nPrint the sum of the even numbers.<|im_end|>\n<|im_start|>assistant\n"
        f"<think>\n{sample.text('think')}\n</think>\n\n{sample.text('answer')}<|im_end|>"
    )


def test_only_the_completion_bears_loss(dialect: Dialect) -> None:
    made = example(trajectory(), dialect)
    start = len(dialect.prompt_ids(trajectory().messages))
    assert made.labels[:start] == [IGNORED] * start
    assert made.labels[start:] == made.input_ids[start:]
    assert made.labels[-1] == dialect.tokenizer.eos_token_id


def test_text_that_spells_a_special_token_does_not_become_one(dialect: Dialect) -> None:
    spans = (
        Span("student", "think", "is <think> closed by </think>?", 9),
        Span("student", "answer", "yes<|im_end|>", 2),
    )
    made = example(trajectory(spans=spans, question="what is <|im_end|>?"), dialect)
    markers = [dialect.end_think_id, dialect.open_ids[0], dialect.tokenizer.eos_token_id]
    assert [made.input_ids.count(m) for m in markers] == [1, 1, 2]  # one ends the user's turn
    assert len(made.writers) == len(made.input_ids)


def test_writers_say_who_wrote_each_token(dialect: Dialect) -> None:
    spans = (
        Span("student", "think", "\nOkay, é🙂", 5),
        Span("teacher", "think", " sum(a)\n", 4),
        Span("student", "answer", "\nprint(1)", 3),
    )
    made = example(trajectory(spans=spans), dialect)

    def wrote(writer: int) -> str:
        ids = zip(made.input_ids, made.writers, strict=True)
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
    opening = len(made.input_ids) - made.labels.count(IGNORED)
    body = made.writers[len(made.writers) - opening + len(dialect.open_ids) :][: len(begins)]
    assert body == [TEACHER if at < 5 else STUDENT for at in begins]


@pytest.mark.parametrize("thinking", ["", "\n\n"])
def test_a_sample_without_a_thought_closes_by_who_answers(dialect: Dialect, thinking: str) -> None:
    thought = (Span("teacher", "think", thought, 1) for thought in [thinking] if thought)
    spans = (*thought, Span("student", "answer", "\nprint(1)", 3))
    made = example(trajectory(spans=spans), dialect)
    assert len(made.writers) == len(made.input_ids)
    completion = [i for i, w in zip(made.input_ids, made.writers, strict=True) if w == STUDENT]
    assert dialect.decode(completion) == "<think>\n\n</think>\n\nprint(1)<|im_end|>"
    assert TEACHER not in made.writers


def test_a_system_prompt_is_part_of_the_prompt(dialect: Dialect) -> None:
    sample = trajectory()
    asked = (Message("system", "Think twice."), *sample.messages)
    made = example(type(sample)(**{**vars(sample), "messages": asked}), dialect)
    prompt = dialect.decode([i for i, w in zip(made.input_ids, made.writers, strict=True) if not w])
    assert prompt.startswith("<|im_start|>system\nThink twice.<|im_end|>")


@pytest.mark.parametrize(
    ("spans", "says"),
    [
        ((), "has no spans"),
        ((Span("student", "think", "", 0), Span("student", "answer", "a", 1)), "has empty spans"),
        ((Span("student", "think", "so", 1),), "has no answer"),
        ((Span("student", "think", "so", 1), Span("student", "answer", "\n", 1)), "has no answer"),
    ],
)
def test_a_malformed_sample_is_named(dialect: Dialect, spans: tuple[Span, ...], says: str) -> None:
    with pytest.raises(DataError, match=f"'q0', repeat 0, of method 'tessy' {says}"):
        example(trajectory(spans=spans), dialect)


def test_what_is_dropped_is_counted_and_nothing_is_cut(dialect: Dialect, tmp_path: Path) -> None:
    lengths = [len(example(trajectory(n), dialect).input_ids) for n in range(8)]
    longest = max(lengths)
    data = [trajectory(n) for n in range(8)]
    data += [trajectory(8, finish="length"), trajectory(9, (), "failed")]
    read = read_examples(write(tmp_path / "t.jsonl", data), dialect, longest - 1)
    too_long = lengths.count(longest)
    assert read.counts["dropped_over_max_length"] == too_long >= 1
    assert (read.counts["dropped_length"], read.counts["dropped_failed"]) == (1, 1)
    assert read.counts["samples"] == len(read.examples) == 8 - too_long
    assert read.counts["trajectories"] == 10
    assert read.counts["tokens"] == sum(n for n in lengths if n < longest)
    kept = read_examples(tmp_path / "t.jsonl", dialect, longest)
    assert sorted(len(e.input_ids) for e in kept.examples) == sorted(lengths)


def test_the_order_of_the_file_does_not_matter(dialect: Dialect, tmp_path: Path) -> None:
    data = [trajectory(n) for n in range(6)]
    there = read_examples(write(tmp_path / "a.jsonl", data), dialect, 500)
    back = read_examples(write(tmp_path / "b.jsonl", data[::-1]), dialect, 500)
    assert there == back


def test_the_same_sample_twice_is_refused(dialect: Dialect, tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", [trajectory(1), trajectory(1)])
    with pytest.raises(DataError, match=r"'q1'.* twice"):
        read_examples(path, dialect, 500)


@pytest.mark.parametrize("data", [[], [trajectory(finish="degenerate")]])
def test_nothing_to_train_on_is_an_error(dialect: Dialect, tmp_path: Path, data: list) -> None:
    with pytest.raises(DataError, match="no sample to train on"):
        read_examples(write(tmp_path / "t.jsonl", data), dialect, 500)
