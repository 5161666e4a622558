"""Tokens by words are those that the tokenizer itself makes of the whole text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors, trainers

from tessy.checkpoints import load_tokenizer, locate
from tessy.dialects import words
from tessy.dialects.words import MINIATURE, QWEN3, WORD, tokens_of
from tessy.mini.tokenizers import STUDENT_PATTERN
from tests.dialects.families import FAMILIES, PATTERN, save

# Where expressions differ over what is white, a letter, a digit or punctuation, and over what may
# stand beside what.
TRICKY = " \t\n\r\x0b\x0c\x1c\x1f\x85\xa0\u2028\u202f\u3000\u180e\u200b\ufeff\x01aBz'.,;(/_09" + (
    "éßſK你٣²\u0301👍"
)
TEXT = st.one_of(st.text(), st.lists(st.sampled_from(TRICKY), max_size=14).map("".join))
SOURCE = Path(words.__file__).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def backends(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tokenizer]:
    folder = save(FAMILIES["qwen3"], tmp_path_factory.mktemp("qwen3"))
    return {
        "qwen3": load_tokenizer(folder).backend_tokenizer,
        "mini": load_tokenizer(locate("mini:student")).backend_tokenizer,
    }


@pytest.mark.parametrize("name", ["qwen3", "mini"])
@settings(deadline=None, max_examples=400)
@given(texts=st.lists(TEXT.filter(lambda text: "<" not in text), min_size=1, max_size=4))
def test_ids_and_places_are_those_of_the_whole_text(
    backends: dict[str, Tokenizer], name: str, texts: list[str]
) -> None:
    backend, tokens = backends[name], tokens_of(backends[name])
    for text in [*texts, SOURCE[: len("".join(texts)) * 9]]:
        whole = backend.encode(text, add_special_tokens=False)
        found = tokens(text)
        assert found.ids == whole.ids
        assert found.starts.tolist() == [first for first, _ in whole.offsets]


@given(TEXT)
def test_the_words_are_the_text(text: str) -> None:
    assert "".join(WORD.findall(text)) == text


def test_a_word_is_asked_for_once(
    backends: dict[str, Tokenizer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the memory begins anew when it is full."""
    asked: list[str] = []

    class Asked:
        def __getattr__(self, name: str) -> Any:
            return getattr(backends["mini"], name)

        def encode(self, text: str, **given: Any) -> Any:
            asked.append(text)
            return backends["mini"].encode(text, **given)

    tokens = tokens_of(Asked())  # type: ignore[arg-type]
    tokens("keep it, keep it; then keep 12 of 12\n")
    assert sorted(asked) == sorted(
        [*["keep", " keep", " it", ",", ";", " then", " 12", " of", "\n"]]
    )
    monkeypatch.setattr(words, "REMEMBERED", 10)
    assert tokens("some more words than before").ids
    assert len(asked) == 9 + 5
    tokens("keep it")
    assert len(asked) == 9 + 5 + 2, "what was forgotten is asked for again"


@pytest.mark.parametrize(
    "change",
    [
        {"pattern": r"\p{N}{1,3}|[^\p{N}]+"},
        {"behavior": "merged_with_previous"},
        {"invert": True},
        {"add_prefix_space": True},
        {"post": processors.ByteLevel(trim_offsets=True)},
        {"alphabet": []},
    ],
    ids=lambda change: next(iter(change)),
)
def test_other_tokenizers_are_left_alone(change: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    """They would not cut where words end: each is asked for whole texts."""
    plain = Tokenizer(models.BPE())
    split = {k: v for k, v in change.items() if k in ("behavior", "invert")}
    plain.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(
                Regex(change.get("pattern", PATTERN)), **{"behavior": "isolated", **split}
            ),
            pre_tokenizers.ByteLevel(change.get("add_prefix_space", False), use_regex=False),
        ]
    )
    alphabet = change.get("alphabet", pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(initial_alphabet=alphabet, show_progress=False)
    plain.train_from_iterator(["keep it"], trainer)
    if "post" in change:
        plain.post_processor = change["post"]
    monkeypatch.setattr(words._Words, "located", None)
    tokens_of(plain)("keep it: 1234")


def test_the_expressions_are_those_of_the_tokenizers() -> None:
    assert (QWEN3, MINIATURE) == (PATTERN, STUDENT_PATTERN)
