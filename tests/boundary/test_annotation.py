"""Annotations are parsed and located strictly; what cannot be used has a reason."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tessy.boundary.annotation import parse, request, word_labels
from tessy.boundary.words import words

SPANS = st.lists(st.text(min_size=1).filter(lambda s: s.strip()), max_size=5)


@given(SPANS, st.sampled_from(["{}", "```json\n{}\n```", "The phrases are:\n\n{}", "{}\nDone."]))
def test_an_array_alone_in_a_fence_or_beside_text_is_read(spans: list[str], frame: str) -> None:
    for ascii_only in (True, False):
        assert parse(frame.format(json.dumps(spans, ensure_ascii=ascii_only))) == spans


@given(st.text())
def test_whatever_an_annotator_says_ends_in_spans_or_a_reason(answer: str) -> None:
    said = parse(answer)
    assert said in ("not_json", "not_strings") or all(
        isinstance(s, str) and s.strip() for s in said
    )


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("", "not_json"),
        ("I cannot do that.", "not_json"),
        ("['But wait']", "not_json"),
        ('["But wait", "so', "not_json"),
        ("[" * 50_000, "not_json"),
        ('{"spans": "But"}', "not_json"),
        ("[1, 2]", "not_strings"),
        ('["But", 3]', "not_strings"),
        ('["But", " \\n"]', "not_strings"),
        ('[["But"], "so"]', "not_strings"),
        ("[]", []),
        ('In a[0] the phrases are ["But", "so"] as of [1].', ["But", "so"]),
        ('First ["But"]. No, rather: ["But wait"]', ["But wait"]),
    ],
)
def test_what_is_no_array_of_strings_is_refused_by_its_reason(answer: str, said: object) -> None:
    assert parse(answer) == said


TEXT = "Okay, so the also-ran wins.\n\nBut wait, (so) x=1 is so_far fine; so:  done 9so."


def marked(*spans: str) -> object:
    """The words that spans mark, or the reason why none are."""
    labels = word_labels(TEXT, list(spans))
    if isinstance(labels, str):
        return labels
    return [w.strip() for w, label in zip(words(TEXT), labels, strict=True) if label]


@pytest.mark.parametrize(
    ("spans", "found"),
    [
        ((), []),
        (("Okay",), ["Okay,"]),  # punctuation beside a word is fine
        (("Okay,", "so"), ["Okay,", "so"]),
        (("Okay, so",), ["Okay,", "so"]),
        # "also-ran", "so_far" and "9so." hold a "so" that is no word
        (("so", "so", "so"), ["so", "(so)", "so:"]),
        (("so", "so", "so", "so"), "out_of_order"),
        (("so_far fine",), ["so_far", "fine;"]),
        (("But wait, (so",), ["But", "wait,", "(so)"]),
        (("wins. But",), ["wins.", "But"]),  # whitespace is any whitespace
        (("wins.\nBut", "so: done"), ["wins.", "But", "so:", "done"]),
        (("  wait ",), ["wait,"]),
        (("but wait",), "not_found"),  # verbatim
        (("als",), "not_found"),
        (("Perhaps",), "not_found"),
        (("But wait", "Okay"), "out_of_order"),
        (("Okay", "Okay"), "out_of_order"),
        (("x",), "not_found"),
        (("x=1",), ["x=1"]),
    ],
)
def test_spans_are_located_in_order_at_word_borders(spans: tuple[str, ...], found: object) -> None:
    assert marked(*spans) == found


@given(st.data())
def test_spans_that_are_words_of_the_text_are_found_where_they_are(data: st.DataObject) -> None:
    """Different words, so that each has one place; spans lose the text's own whitespace."""
    n = data.draw(st.integers(1, 12))
    gaps = data.draw(st.lists(st.sampled_from([" ", "\n", "\n\n", "  \t"]), min_size=n, max_size=n))
    text = "".join(gap + f"word{i}x" for i, gap in enumerate(gaps))
    labels = data.draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))
    spans: list[str] = []
    for i, label in enumerate(labels):
        if label and i and labels[i - 1] and data.draw(st.booleans()):
            spans[-1] += f" word{i}x"
        elif label:
            spans.append(f"word{i}x")
    assert word_labels(text, spans) == labels
    if len(spans) > 1:
        assert word_labels(text, spans[::-1]) == "out_of_order"


@given(st.text(), SPANS)
def test_labels_are_one_a_word_whatever_the_text(text: str, spans: list[str]) -> None:
    labels = word_labels(text, spans)
    if isinstance(labels, list):
        assert len(labels) == len(words(text)) and set(labels) <= {0, 1}
        assert any(labels) == bool(spans)
    else:
        assert labels in ("not_found", "out_of_order")


def test_the_request_holds_the_passage_and_asks_for_an_array() -> None:
    asked = request("\n keep x % 2. But wait,")
    assert asked.endswith("<passage>\nkeep x % 2. But wait,\n</passage>")
    assert "JSON array" in asked
