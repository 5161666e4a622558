"""What holds of every family's responses: they split into what they were made of."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tessy.dialects import Dialect, load_dialect
from tessy.errors import CheckpointError, ConfigError
from tessy.records import Message
from tests.dialects.conftest import Bind
from tests.dialects.families import FAMILIES, save
from tests.dialects.test_golden import as_turns, rendered

families = pytest.mark.parametrize("family", FAMILIES)
thinking_families = pytest.mark.parametrize(
    "family", [f for f in FAMILIES if f != "qwen3_not_thinking"]
)
quick = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
NAMES = sorted({t for f in FAMILIES.values() for t in (*f.special, *f.plain)})
TEXT = st.one_of(
    st.text(),
    st.lists(st.one_of(st.sampled_from([*NAMES, "<", "|>", "\n", " ", "x", "\ue000"]))).map(
        "".join
    ),
)


def normal(dialect: Dialect, text: str) -> str:
    """A text as the family's tokenizer keeps it: Qwen's composes characters."""
    text = unicodedata.normalize("NFC", text) if dialect.name == "qwen3" else text
    return text.strip("\n") if dialect.padding else text


@thinking_families
@quick
@given(thinking=TEXT, answer=TEXT)
def test_a_response_is_split_into_what_it_was_made_of(
    dialects: dict[str, Dialect], family: str, thinking: str, answer: str
) -> None:
    dialect = dialects[family]
    thinking, answer = thinking.strip("\n"), answer.strip("\n")
    ids = dialect.completion_ids(thinking, answer)
    expected = normal(dialect, thinking), normal(dialect, answer)
    assert dialect.split(ids) == expected
    assert dialect.split(ids[len(dialect.open_ids) :]) == expected  # opened after the prompt
    assert dialect.split(ids[:-1]) == expected
    assert dialect.split(ids, opened=False) == expected  # opened by the model


@families
@quick
@given(text=TEXT)
def test_no_text_becomes_a_special_token(
    dialects: dict[str, Dialect], family: str, text: str
) -> None:
    dialect = dialects[family]
    special = set(dialect.tokenizer.get_added_vocab().values())
    assert not set(dialect.encode(text)) & special
    assert len(dialect.starts(text)) == dialect.count(text)
    plain = (Message("system", "x"), Message("user", "x"))
    spelled = (Message("system", text), Message("user", f"x{text}"))
    if family == "gpt_oss" and not text:
        spelled = plain  # harmony has no developer message for an empty system turn
    counts = [sum(i in special for i in dialect.prompt_ids(turns)) for turns in (plain, spelled)]
    assert counts[0] == counts[1]


@families
def test_a_question_about_special_tokens_is_asked_as_it_stands(
    dialects: dict[str, Dialect], family: str
) -> None:
    """The text of the prompt is the template's, only its tokens differ."""
    dialect = dialects[family]
    asked = "What does </think> do in <｜Assistant｜><think>\n, and <|end|> after <|im_end|>?\ue000"
    messages = (Message("system", "<|im_start|>user"), Message("user", asked))
    ids = dialect.prompt_ids(messages)
    assert dialect.decode(ids) == rendered(dialect, as_turns(messages), tokenize=False)
    assert ids != rendered(dialect, as_turns(messages))


@families
def test_an_earlier_answer_that_mentions_the_end_of_thinking_is_not_cut(
    dialects: dict[str, Dialect], family: str
) -> None:
    """The stock templates of Qwen3 and DeepSeek cut it at `</think>`, harmony's raises."""
    answer = "It ends at </think> or <|channel|>final<|message|>; that is all."
    turns = (Message("user", "Where?"), Message("assistant", answer), Message("user", "So?"))
    dialect = dialects[family]
    assert answer in dialect.decode(dialect.prompt_ids(turns))
    if family == "qwen3" or "deepseek" in family:
        assert answer not in rendered(dialect, as_turns(turns), tokenize=False)


@thinking_families
def test_thinking_that_never_ends_has_no_answer(dialects: dict[str, Dialect], family: str) -> None:
    dialect = dialects[family]
    ids = dialect.encode("We need to print")
    assert dialect.split(dialect.open_ids + ids) == ("We need to print", "")
    assert dialect.split(ids) == ("We need to print", "")
    assert dialect.split([*ids, *dialect.end_ids]) == ("We need to print", "")
    assert dialect.split(dialect.open_ids + ids, opened=False) == ("We need to print", "")


@thinking_families
def test_thinking_that_is_closed_at_once_is_empty(
    dialects: dict[str, Dialect], family: str
) -> None:
    dialect = dialects[family]
    ids = [*dialect.close_ids, *dialect.encode("Done"), *dialect.end_ids]
    assert dialect.split(ids) == ("", "Done")


@families
def test_each_end_is_one_id_and_stops_the_writer(dialects: dict[str, Dialect], family: str) -> None:
    dialect = dialects[family]
    names = dict(
        zip(
            dialect.think_stop_ids,
            map(dialect.decode, [[i] for i in dialect.think_stop_ids]),
            strict=True,
        )
    )
    expected = {
        "qwen3": {"</think>", "<|im_end|>", "<|endoftext|>"},
        "gpt_oss": {"<|end|>", "<|return|>", "<|call|>", "<|endoftext|>"},
        "deepseek_r1": {"</think>", "<｜end▁of▁sentence｜>"},
    }[dialect.name]
    assert set(names.values()) == expected
    assert names[dialect.end_think_id] == ("<|end|>" if family == "gpt_oss" else "</think>")
    assert dialect.end_think_id not in dialect.stop_ids


def test_a_base_model_that_answers_without_thinking_has_an_answer(
    dialects: dict[str, Dialect],
) -> None:
    dialect = dialects["qwen3_base"]
    end = dialect.encode_marker("<|endoftext|>")
    ids = [*dialect.encode("print(3)"), *end]
    assert dialect.split(ids, opened=False) == ("", "print(3)")
    assert dialect.split(ids) == ("print(3)", "")  # the prompt had opened its thinking


def test_harmony_may_skip_the_analysis_or_speak_before_the_answer(
    dialects: dict[str, Dialect],
) -> None:
    dialect = dialects["gpt_oss"]
    mark = dialect.encode_marker
    final = mark("<|channel|>final<|message|>Done<|return|>")
    assert dialect.split(final, opened=False) == ("", "Done")
    preamble = mark("<|end|><|start|>assistant<|channel|>commentary<|message|>Soon<|end|>")
    ids = [*dialect.encode("We need"), *preamble, *mark("<|start|>assistant"), *final]
    assert dialect.split(ids) == ("We need", "Done")
    call = mark("<|end|><|start|>assistant to=python<|channel|>commentary<|message|>1<|call|>")
    assert dialect.split([*dialect.encode("We need"), *call]) == ("We need", "")


@quick
@given(answer=TEXT)
def test_without_thinking_the_response_is_the_answer(
    dialects: dict[str, Dialect], answer: str
) -> None:
    dialect = dialects["qwen3_not_thinking"]
    answer = normal(dialect, answer)
    ids = dialect.completion_ids("", answer)
    assert ids == dialect.encode(answer) + dialect.end_ids
    assert dialect.split(ids) == dialect.split(ids, opened=False) == ("", answer)


def test_thinking_does_not_fit_where_the_prompt_has_closed_it(dialects: dict[str, Dialect]) -> None:
    with pytest.raises(ConfigError, match=r"'enable_thinking': False.* without any; set the"):
        dialects["qwen3_not_thinking"].completion_ids("Okay", "Done")


def test_a_template_may_turn_thinking_on_or_off(bind: Bind) -> None:
    assert bind("qwen3", enable_thinking=True).open_think == "<think>\n"
    assert not bind("qwen3_5", enable_thinking=False).thinks


@pytest.mark.parametrize("declared", ["LlamaTokenizerFast", "Qwen2Tokenizer"])
def test_tokens_are_those_of_tokenizer_json_whatever_class_the_checkpoint_names(
    tmp_path: Path, dialects: dict[str, Dialect], declared: str
) -> None:
    """DeepSeek-R1's names Llama's class, which in transformers 5 drops all spaces."""
    save(FAMILIES["deepseek_r1"], tmp_path)
    settings_file = tmp_path / "tokenizer_config.json"
    given = json.loads(settings_file.read_text()) | {"tokenizer_class": declared}
    settings_file.write_text(json.dumps(given))
    text = "We need  to print\n\n the sum."
    ids = load_dialect("deepseek_r1", tmp_path).encode(text)
    assert ids == dialects["deepseek_r1"].encode(text)
    assert dialects["deepseek_r1"].decode(ids) == text


@pytest.mark.parametrize(
    ("family", "dialect", "token"),
    [("qwen3", "deepseek_r1", "<｜end▁of▁sentence｜>"), ("deepseek_r1", "qwen3", r"<\|im_end\|>")],
)
def test_a_dialect_refuses_another_familys_tokenizer(
    tmp_path: Path, family: str, dialect: str, token: str
) -> None:
    save(FAMILIES[family], tmp_path)
    with pytest.raises(
        CheckpointError, match=rf"needs the token {token}, which .* set the model's"
    ):
        load_dialect(dialect, tmp_path)
