"""What shares thirteen words with a benchmark is found; what all contests say is not."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from tessy.questions.overlap import Overlap, shared_words

PHRASE = " ".join(f"phrase{i}" for i in range(15))  # that many questions have


def words(seed: int, length: int) -> list[str]:
    draw = random.Random(seed)
    return [f"v{draw.randrange(10**6)}" for _ in range(length)]


def contaminated(
    questions: list[str], problems: list[tuple[str, str]], n: int = 13, common: int = 10
) -> list[str | None]:
    """The problem that each question overlaps."""
    overlap = Overlap(n, common)
    overlap.add_problems(problems)
    hits = [overlap.look(question) for question in questions]
    found = [overlap.contaminates(hit) for hit in hits]
    return [f and f[0] for f in found]


@given(st.integers(0, 40), st.integers(0, 30), st.integers(5, 13))
def test_a_question_is_found_exactly_if_it_has_n_words_in_a_row(
    start: int, length: int, n: int
) -> None:
    problem = words(1, 60)
    question = [*words(2, 20), *problem[start : start + length], *words(3, 20)]
    shares = len(problem[start : start + length]) >= n
    found = contaminated([" ".join(question)], [("p", " ".join(problem))], n)
    assert found == ["p" if shares else None]


def test_the_shared_words_are_named() -> None:
    problem, overlap = words(1, 40), Overlap(13, 10)
    question = " ".join([*words(2, 7), *problem[5:30]]).upper()
    overlap.add_problems([("lcb_pro 7A", " ".join(problem))])
    found = overlap.contaminates(overlap.look(question))
    assert found == ("lcb_pro 7A", 7, 13)
    assert shared_words(question, 7, 13) == " ".join(problem[5:18])


def test_a_phrase_of_many_questions_does_not_count_but_what_stands_beside_it_does() -> None:
    problems = [("p", f"{PHRASE} {' '.join(words(99, 30))}")]
    many = [f"{PHRASE} {' '.join(words(seed, 30))}" for seed in range(11)]
    copy = f"{PHRASE} {' '.join(words(99, 30))}"
    assert contaminated([*many, copy], problems) == [None] * 11 + ["p"]
    assert contaminated(many[:10], problems) == ["p"] * 10  # ten are not many


def test_a_short_problem_is_found_as_a_whole() -> None:
    problems = [("six", "What is the sum of primes"), ("two", "Print it")]
    asked = ["Tell me: what is the SUM of primes below 10?", "What is the sum?", "Now print it"]
    assert contaminated([*asked, "print IT."], problems) == ["six", None, None, "two"]


def test_a_problem_without_words_is_counted() -> None:
    overlap = Overlap(13, 10)
    assert overlap.add_problems([("p", "..."), ("q", "a b c d e f")]) == 1
    assert not overlap.look("") and not overlap.look("...")
