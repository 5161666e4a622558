"""Each dialect renders what its tokenizer's own chat template renders, as the same ids."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tessy.checkpoints import locate
from tessy.dialects import Dialect, load_dialect
from tessy.errors import CheckpointError, ConfigError
from tessy.records import Message

FAMILIES = {"qwen3": "mini:student", "gpt_oss": "mini:teacher"}
_LOADED: dict[str, Dialect] = {}


def dialect_of(name: str) -> Dialect:
    if name not in _LOADED:
        _LOADED[name] = load_dialect(name, locate(FAMILIES[name]))
    return _LOADED[name]


families = pytest.mark.parametrize("family", FAMILIES)


@families
def test_prompt_ids_equal_the_chat_template(family: str) -> None:
    dialect = dialect_of(family)
    messages = [Message("system", "Be brief."), Message("user", "keep the even numbers: 2, 3")]
    turns = [{"role": m.role, "content": m.content} for m in messages]
    golden = dialect.tokenizer.apply_chat_template(
        turns, tokenize=True, add_generation_prompt=True, return_dict=False
    )
    assert dialect.prompt_ids(messages) == golden


def test_a_whole_qwen3_response_reads_as_the_family_writes_it() -> None:
    dialect = dialect_of("qwen3")
    text = dialect.decode(dialect.completion_ids("Okay, let me see.\n", "\n\nDone"))
    assert text == "<think>\nOkay, let me see.\n</think>\n\nDone<|im_end|>"


def test_a_whole_harmony_response_reads_as_the_family_writes_it() -> None:
    dialect = dialect_of("gpt_oss")
    text = dialect.decode(dialect.completion_ids("We need", "Done"))
    assert text == (
        "<|channel|>analysis<|message|>We need<|end|>"
        "<|start|>assistant<|channel|>final<|message|>Done<|return|>"
    )


@families
@settings(deadline=None, max_examples=150)
@given(text=st.text())
def test_any_text_survives_encoding_and_never_becomes_a_special_token(
    family: str, text: str
) -> None:
    dialect = dialect_of(family)
    ids = dialect.encode(text)
    assert not set(ids) & set(dialect.tokenizer.get_added_vocab().values())
    assert dialect.decode(ids) == text


SPELLED = st.lists(
    st.sampled_from(["</think>", "<think>", "<|im_end|>", "<|end|>", "<|message|>", "x", " ", "<"])
)


@families
@settings(deadline=None, max_examples=100)
@given(pieces=SPELLED)
def test_text_that_spells_special_tokens_stays_text(family: str, pieces: list[str]) -> None:
    dialect = dialect_of(family)
    text = "".join(pieces)
    specials = set(dialect.tokenizer.get_added_vocab().values())
    assert dialect.decode(dialect.encode(text)) == text
    assert not set(dialect.encode(text)) & specials
    plain = dialect.prompt_ids([Message("user", "x")])
    spelled = dialect.prompt_ids([Message("user", text or "x")])
    assert sum(i in specials for i in spelled) == sum(i in specials for i in plain)


@families
@settings(deadline=None, max_examples=100)
@given(thinking=st.text(), answer=st.text())
def test_a_response_is_split_into_what_it_was_made_of(
    family: str, thinking: str, answer: str
) -> None:
    dialect = dialect_of(family)
    if dialect.padding:  # newlines beside the markers belong to the format, not to the text
        thinking, answer = thinking.strip("\n"), answer.strip("\n")
    ids = dialect.completion_ids(thinking, answer)
    assert dialect.split(ids) == (thinking, answer)
    assert dialect.split(ids[len(dialect.open_ids) :]) == (thinking, answer)


@families
def test_thinking_that_never_ends_has_no_answer(family: str) -> None:
    dialect = dialect_of(family)
    assert dialect.split(dialect.open_ids + dialect.encode("We need")) == ("We need", "")


def test_a_dialect_refuses_a_tokenizer_without_its_tokens() -> None:
    with pytest.raises(CheckpointError, match=r"needs the token <\|channel\|>.*set the model's"):
        load_dialect("gpt_oss", locate("mini:student"))


def test_an_unknown_dialect_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'qwen3'"):
        load_dialect("qwen", locate("mini:student"))
