"""The measures of agreement, against cases worked out by hand."""

from __future__ import annotations

import pytest
from transformers import AutoTokenizer

from tessy.boundary.examples import IGNORED, example
from tessy.boundary.metrics import Judged, boundaries, judged, measure
from tessy.boundary.words import words
from tessy.checkpoints import MINI
from tessy.errors import DataError


def by_words(annotated: list[int], predicted: list[int]) -> Judged:
    """A segment whose words are one token each."""
    return Judged(annotated, predicted, annotated, predicted)


def test_a_boundary_is_a_word_with_another_label_than_the_one_before() -> None:
    assert boundaries([1, 1, 0, 0, 1]) == {(2, 0), (4, 1)}
    assert boundaries([0, 0]) == boundaries([1]) == boundaries([]) == set()


def test_agreement_by_hand() -> None:
    # annotated: to capability at 2, to style at 6; predicted: at 3 and 6
    #   distances 1, 0 from the annotation and 1, 0 from the prediction
    first = by_words([1, 1, 0, 0, 0, 0, 1, 1], [1, 1, 1, 0, 0, 0, 1, 1])
    # annotated: to style at 1; predicted: to style at 1, to capability at 3, which has no partner
    #   distances 0, 0, and 4, the words of the segment
    second = by_words([0, 1, 1, 1], [0, 1, 1, 0])
    said = measure([first, second])
    assert said["token_accuracy"] == pytest.approx(10 / 12)
    # style tokens: annotated 4 + 3, predicted 5 + 2, both 4 + 2
    assert said["token_f1"] == pytest.approx(2 * 6 / (7 + 7))
    assert said["boundary_precision"] == pytest.approx(2 / 4)
    assert said["boundary_recall"] == pytest.approx(2 / 3)
    assert said["boundary_f1"] == pytest.approx(4 / 7)
    assert said["boundary_distance"] == pytest.approx((1 + 0 + 1 + 0 + 0 + 0 + 4) / 7)
    counts = ("segments", "tokens", "words", "annotated_boundaries", "predicted_boundaries")
    assert [said[name] for name in counts] == [2, 12, 12, 3, 4]
    assert said["unmatched_boundaries"] == 1


def test_a_boundary_to_the_other_label_is_no_match() -> None:
    said = measure([by_words([0, 1, 1], [1, 0, 0])])
    assert said["boundary_f1"] == 0 and said["boundary_distance"] == 3
    assert said["unmatched_boundaries"] == 2


def test_where_there_is_nothing_to_find_nothing_is_wrong() -> None:
    said = measure([by_words([0, 0], [0, 0])])
    assert said["token_f1"] == said["boundary_f1"] == 1 and said["boundary_distance"] == 0
    assert measure([by_words([0, 0], [0, 1])])["boundary_recall"] == 1
    assert measure([by_words([0, 0], [0, 1])])["boundary_f1"] == 0


def test_a_word_is_style_if_its_tokens_say_so_together() -> None:
    tokenizer = AutoTokenizer.from_pretrained(MINI / "student")
    text = "qzwx qzwx keep"
    made = example(text, [1, 0, 0], tokenizer, 0)
    n = made.lengths[0]
    assert n > 1 and made.labels == [1] * n + [0] * made.lengths[1] + [0] * made.lengths[2]
    odds = [-1.0] * (n - 1) + [1.5 + n] + [1.0] * made.lengths[1] + [-1.0] * made.lengths[2]
    said = judged(made, odds, 0)
    assert said.words == [1, 0, 0] and said.predicted_words == [1, 1, 0]
    assert said.tokens == made.labels
    assert (
        said.predicted_tokens
        == [0] * (n - 1) + [1] * (1 + made.lengths[1]) + [0] * (made.lengths[2])
    )


def test_shifted_labels_are_those_of_the_next_token() -> None:
    tokenizer = AutoTokenizer.from_pretrained(MINI / "student")
    text = "Okay, let me see. First, keep `x`"
    labels = [1, 1, 1, 1, 1, 0, 0]
    plain, shifted = (example(text, labels, tokenizer, shift) for shift in (0, 1))
    assert shifted.ids == plain.ids
    assert shifted.labels == [*plain.labels[1:], IGNORED]
    perfect = [0.5 if label == 1 else -0.5 for label in shifted.labels]
    said = judged(shifted, perfect, 1)
    unread = int(plain.lengths[0] == 1)  # a first word of one token has no output
    assert said.words == said.predicted_words == labels[unread:]
    assert said.tokens == said.predicted_tokens == plain.labels[1:]


def test_a_first_word_without_output_counts_for_nothing() -> None:
    tokenizer = AutoTokenizer.from_pretrained(MINI / "student")
    made = example("`x", [0], tokenizer, 1)
    assert made.lengths == [2] and judged(made, [-1.0, 9.0], 1).words == [0]
    made = example("x x", [0, 1], tokenizer, 1)
    assert made.lengths[0] == 1
    said = judged(made, [1.0] * len(made.ids), 1)
    assert said.words == said.predicted_words == [1]


def test_labels_that_are_not_the_words_are_refused() -> None:
    tokenizer = AutoTokenizer.from_pretrained(MINI / "student")
    assert len(words("a b c")) == 3
    with pytest.raises(DataError, match="3 words has 2 labels"):
        example("a b c", [0, 1], tokenizer, 0)
