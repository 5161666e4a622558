"""The miniature world: reference programs, splits and styles hold together."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tessy.errors import ConfigError
from tessy.mini.operations import OPERATIONS, Operation, teacher_idiom
from tessy.mini.style import (
    mixed_document,
    student_code,
    student_document,
    style_marks,
    teacher_code,
    teacher_document,
)
from tessy.mini.world import (
    SPLITS,
    TESTS,
    draw,
    is_for_pretraining,
    mini_problems,
    problems,
    split_of,
)

numbers = st.lists(st.integers(-12, 15), min_size=5, max_size=9)


def run_fragment(operation: Operation, fragment: str, values: list[int]) -> object:
    """What a fragment of our own table means; untrusted code never comes here."""
    if operation.kind in ("filter", "map"):
        test = operation.kind == "filter"
        of = eval(f"lambda x: {fragment}")
        return [x for x in values if of(x)] if test else [of(x) for x in values]
    return eval(fragment, {"a": values})


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda o: o.name)
@given(values=numbers, n=st.integers(2, 9))
def test_the_right_fragment_does_what_the_reference_does(
    operation: Operation, values: list[int], n: int
) -> None:
    assert run_fragment(operation, operation.fragment(n), values) == operation.apply(values, n)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda o: o.name)
def test_every_mistake_shows_on_some_input(operation: Operation) -> None:
    rng = random.Random(operation.name)
    for number, mistake in enumerate(operation.wrong):
        shown = False
        for _ in range(200):
            n, values = rng.randint(2, 9), [rng.randint(-12, 15) for _ in range(7)]
            try:
                found = run_fragment(operation, mistake.format(n=n), values)
            except ZeroDivisionError:
                found = None
            shown = shown or found != operation.apply(values, n)
        assert shown, (operation.name, number)


def test_splits_of_a_world_share_no_composition_with_each_other_or_with_pretraining() -> None:
    seen = {
        split: {tuple(p.metadata["composition"]) for p in problems(7, split, 150)}
        for split in SPLITS
    }
    for split, compositions in seen.items():
        assert all(split_of(7, c) == split and not is_for_pretraining(c) for c in compositions)
    assert not seen["train"] & seen["held_out"]
    assert not seen["train"] & seen["development"]
    assert not seen["development"] & seen["held_out"]


def test_a_world_is_its_seed() -> None:
    assert problems(3, "train", 20) == problems(3, "train", 20)
    assert problems(3, "train", 20) != problems(4, "train", 20)
    assert problems(3, "train", 20) == problems(3, "train", 30)[:20]


def test_tests_are_what_the_reference_says() -> None:
    for _, problem, judged in mini_problems(5, "held_out", 50):
        assert len(judged.tests) == TESTS
        for case in judged.tests:
            values = [int(v) for v in case.stdin.split()]
            assert str(problem.answer(values)) == case.expected.strip()


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'held_out'"):
        problems(0, "heldout", 1)


@given(st.integers(0, 10_000))
def test_documents_are_written_in_words_that_no_border_cuts(seed: int) -> None:
    rng = random.Random(seed)
    problem = draw(rng)
    for document in (
        student_document(problem, rng),
        teacher_document(problem),
        mixed_document(problem, rng),
    ):
        for text, _ in document.thinking[1:]:
            assert text[0] in " \n"


def test_styles_are_told_apart_by_their_marks() -> None:
    rng = random.Random(0)
    problem = draw(rng)
    student = student_document(problem, rng)
    teacher = teacher_document(problem)
    fragments = [s.fragment for s in problem.stages]
    assert student.answer.count("\n") == student_code(problem, fragments).count("\n") + 1
    assert style_marks(student.text + student.answer) == {"student": 1.0, "teacher": 0.0}
    assert style_marks(teacher.text + teacher.answer) == {"student": 0.0, "teacher": 1.0}
    assert "lambda x" not in teacher_code(problem)
    assert teacher_idiom("sorted(a, key=abs) + max(x, 3)") == "sorted(v, key=abs) + max(t, 3)"
