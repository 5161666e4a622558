"""The style of responses: what is counted, and what the figures say of texts that are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfTransformer

from eval.analysis.counts import Responses, read
from eval.analysis.style import frequent_words, project, similarities
from eval.analysis.tokenizer import StudentTokens
from tessy.checkpoints import locate
from tessy.errors import DataError
from tessy.records import Finish, Span, Trajectory, Writer

WORDS = ["", "wait", "next", "done", "code"]


def encode(texts: Sequence[str]) -> list[list[int]]:
    return [[WORDS.index(word) if word in WORDS else 0 for word in t.split()] for t in texts]


def response(
    question: str,
    text: str,
    writer: Writer = "student",
    finish: Finish = "complete",
    repeat: int = 0,
) -> Trajectory:
    spans = (Span(writer, "think", text, len(text.split())),)
    return Trajectory(question, repeat, "tessy", (), spans, finish, {}, 0.0, {}, {})


def counted(source: str, *trajectories: Trajectory, limit: int = 0) -> Responses:
    return read(source, trajectories, encode, len(WORDS), limit=limit)


def test_tokens_lengths_and_writers_are_counted_and_the_incomplete_left_out() -> None:
    found = counted(
        "student",
        response("a", "wait wait next"),
        response("b", "done code", writer="teacher"),
        response("c", "wait", finish="length"),
    )
    assert found.keys == (("a", 0), ("b", 0))
    assert found.counts.toarray().tolist() == [[0, 2, 1, 0, 0], [0, 0, 0, 1, 1]]
    assert found.mean_tokens == 2.5 and found.share("teacher") == 2 / 5
    assert found.left_out == {"length": 1}


def test_reading_stops_at_the_limit_and_keeps_the_wanted_keys() -> None:
    many = [response(str(n), "wait") for n in range(200)]
    assert counted("student", *many, limit=70).keys == tuple((str(n), 0) for n in range(70))
    some = read("teacher", many, encode, len(WORDS), wanted={("3", 0): 0, ("9", 0): 0})
    assert some.keys == (("3", 0), ("9", 0))


def test_a_source_without_a_complete_response_is_an_error_that_counts_them() -> None:
    with pytest.raises(DataError, match=r"teacher has no complete response .*'failed': 1"):
        counted("teacher", response("a", "wait", finish="failed"))


def test_similarity_is_that_of_the_same_question_and_repeat() -> None:
    one = counted("one", response("a", "wait next"), response("b", "done code"))
    same = counted("same", response("b", "done code"), response("a", "wait next"))
    other = counted("other", response("a", "done"), response("b", "wait"))
    found = similarities([one, same, other])
    means = {(s.first, s.second): s.mean.value for s in found}
    assert means["one", "same"] == pytest.approx(1)
    assert means["one", "other"] == means["same", "other"] == 0
    assert {s.questions for s in found} == {2}


def test_sources_without_a_common_question_have_no_similarity() -> None:
    one = counted("one", response("a", "wait next"), response("b", "done"))
    two = counted("two", response("c", "wait"))
    assert similarities([one, two]) == []


def test_two_responses_are_too_few() -> None:
    with pytest.raises(DataError, match="fewer than three"):
        project([counted("one", response("a", "wait")), counted("two", response("a", "next"))])


def test_centroids_of_different_styles_lie_apart_and_of_equal_ones_together() -> None:
    rng = np.random.default_rng(0)

    def texts(source: str, style: str) -> Responses:
        drawn = [f"{style} " * rng.integers(3, 6) + "code " * rng.integers(1, 3) for _ in range(60)]
        return counted(source, *(response(str(n), text) for n, text in enumerate(drawn)))

    sources = [texts("student", "wait"), texts("teacher", "done"), texts("tessy", "wait")]
    found = project(sources)
    student, teacher, tessy = (found.centroids[name] for name in ("student", "teacher", "tessy"))
    assert np.linalg.norm(student - tessy) < 0.05 * np.linalg.norm(student - teacher)
    assert found.points["student"].shape == (60, 2) and 0.5 < found.explained[0] <= 1


def test_vectors_and_their_components_are_those_of_scikit_learn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("eval.analysis.vectors.BLOCK", 7)
    rng = np.random.default_rng(1)
    drawn = {name: rng.dirichlet([0.6] * 4, 30) for name in ("student", "teacher", "tessy")}
    sources = [
        counted(
            name,
            *(
                response(str(n), " ".join(rng.choice(WORDS[1:], size=20, p=chances)))
                for n, chances in enumerate(rows)
            ),
        )
        for name, rows in drawn.items()
    ]
    counts = np.concatenate([s.counts.toarray() for s in sources])
    dense = TfidfTransformer().fit_transform(counts).toarray()
    pca = PCA(n_components=2).fit(dense)
    places = pca.transform(dense).reshape(3, 30, 2)
    found = project(sources)
    assert found.explained == pytest.approx(pca.explained_variance_ratio_[:2], rel=1e-4)
    for name, mine in zip(drawn, places, strict=True):
        assert np.abs(found.points[name]) == pytest.approx(np.abs(mine), abs=1e-4)
    cosines = (dense[:30] * dense[60:]).sum(axis=1)
    (pair,) = [s for s in similarities(sources) if (s.first, s.second) == ("student", "tessy")]
    assert pair.mean.value == pytest.approx(cosines.mean(), abs=1e-5)


def test_words_are_of_a_thousand_tokens_most_frequent_first() -> None:
    words = frequent_words(
        [
            counted("one", response("a", "wait wait wait x"), response("b", "next x x x")),
            counted("two", response("a", "wait done"), response("b", "wait done")),
        ],
        WORDS,
        n_words=3,
    )
    assert words.words[0] == "wait"
    assert words.per_thousand[:, 0].tolist() == [375, 500]
    assert dict(zip(words.words, words.per_thousand[0], strict=True))["next"] == 125


def test_the_student_s_tokenizer_counts_as_the_student_reads() -> None:
    tokens = StudentTokens.of(locate("mini:student"))
    text = "Okay, let me see. First, I need to keep the even numbers"
    (ids,) = tokens.encode([text])
    assert tokens.tokenizer.decode(ids) == text
    words = tokens.words()
    assert len(words) == tokens.vocabulary
    assert "need" in {words[n] for n in ids} and not any("`" in word for word in words)
