"""Prompts and responses are, id for id, what each family's own chat template makes of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tessy.dialects import Dialect
from tessy.errors import DataError
from tessy.records import Message
from tests.dialects.conftest import Bind
from tests.dialects.families import FAMILIES, TEMPLATES

families = pytest.mark.parametrize("family", FAMILIES)
SYSTEM = Message("system", "Answer in one line.\n\n")
ONE = (Message("user", "Print the sum of 2 and 3.\n"),)
SEVERAL = (
    Message("user", "\n  keep the even numbers: 2, 3"),
    Message("assistant", "print(2)\n"),
    Message("user", "Now the odd ones, é漢."),
    Message("assistant", "print(3)"),
    Message("user", "And all?"),
)


def rendered(dialect: Dialect, turns: list[dict[str, str]], ours: bool = True, **more: Any) -> Any:
    """What the tokenizer's own chat template makes of turns."""
    given = dict(dialect.template) if ours else {}
    if "date" in given:
        given["strftime_now"] = datetime.fromisoformat(given.pop("date")).strftime
    given = {"tokenize": True, "return_dict": False, "add_generation_prompt": True} | given | more
    return dialect.tokenizer.apply_chat_template(turns, **given)


def as_turns(messages: tuple[Message, ...]) -> list[dict[str, str]]:
    return [{"role": m.role, "content": m.content} for m in messages]


@families
@pytest.mark.parametrize("system", [(), (SYSTEM,)], ids=["no system", "system"])
@pytest.mark.parametrize("turns", [ONE, SEVERAL], ids=["one turn", "several"])
def test_prompt_ids_equal_the_chat_templates(
    dialects: dict[str, Dialect],
    family: str,
    system: tuple[Message, ...],
    turns: tuple[Message, ...],
) -> None:
    dialect, messages = dialects[family], (*system, *turns)
    golden = rendered(dialect, as_turns(messages))
    assert dialect.prompt_ids(messages) == golden
    assert golden.count(dialect.tokenizer.bos_token_id) == ("deepseek" in family)


@pytest.mark.parametrize("effort", ["low", "medium", "high"])
def test_the_reasoning_effort_and_the_date_stand_in_the_system_message(
    bind: Bind, effort: str
) -> None:
    dialect = bind("gpt_oss", reasoning_effort=effort, date="2024-02-29")
    ids = dialect.prompt_ids((SYSTEM, *ONE))
    assert ids == rendered(dialect, as_turns((SYSTEM, *ONE)))
    text = dialect.decode(ids)
    assert f"Reasoning: {effort}\n" in text and "Current date: 2024-02-29\n" in text
    assert "<|start|>developer<|message|># Instructions\n\nAnswer in one line." in text


@families
def test_the_prompt_and_the_opening_come_to_the_same_text_whoever_opens(
    dialects: dict[str, Dialect], family: str
) -> None:
    dialect = dialects[family]
    text = dialect.decode(dialect.prompt_ids(ONE) + dialect.open_ids)
    if not dialect.thinks:
        assert text.endswith("<think>\n\n</think>\n\n")
    elif family == "gpt_oss":
        assert text.endswith("<|start|>assistant<|channel|>analysis<|message|>")
    else:
        assert text.endswith("<think>\n") and text.count("<think>") == 1
    by_template = {"qwen3_thinking_only", "qwen3_not_thinking", "qwen3_5", "deepseek_r1_distilled"}
    assert (not dialect.open_ids) == (family in by_template)


THINKING, ANSWER = "Okay, let me see.\n\nWe need to print the sum.", "print(sum(a))\n\nDone, it is."


# Without a thought the thinking-only prompt has fixed the first newline as a token of its own.
@pytest.mark.parametrize(
    ("family", "thinking"),
    [
        ("qwen3", THINKING),
        ("qwen3", ""),
        ("qwen3_base", THINKING),
        ("qwen3_thinking_only", THINKING),
    ],
)
def test_a_finished_qwen3_turn_equals_prompt_and_completion(
    dialects: dict[str, Dialect], family: str, thinking: str
) -> None:
    dialect = dialects[family]
    ours = dialect.prompt_ids((SYSTEM, *ONE)) + dialect.completion_ids(thinking, ANSWER)
    last = {"role": "assistant", "content": ANSWER, "reasoning_content": thinking}
    turns = [*as_turns((SYSTEM, *ONE)), last]
    assert rendered(dialect, turns, add_generation_prompt=False) == [*ours, *dialect.encode("\n")]


def test_a_finished_qwen3_turn_without_thinking_equals_prompt_and_completion(
    dialects: dict[str, Dialect],
) -> None:
    dialect = dialects["qwen3_not_thinking"]
    ours = dialect.prompt_ids(ONE) + dialect.completion_ids("", ANSWER)
    turns = [*as_turns(ONE), {"role": "assistant", "content": ANSWER}]
    assert rendered(dialect, turns, add_generation_prompt=False) == [*ours, *dialect.encode("\n")]


def test_qwen3s_template_drops_the_thinking_of_earlier_turns_and_adds_an_empty_one_to_the_last(
    dialects: dict[str, Dialect],
) -> None:
    """Why training gets ids, not messages: neither is what the model wrote."""
    dialect = dialects["qwen3"]
    thought = f"<think>\n{THINKING}\n</think>\n\n{ANSWER}"
    turns = [
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": thought},
        {"role": "user", "content": "Two?"},
        {"role": "assistant", "content": ANSWER},
    ]
    text = rendered(dialect, turns, tokenize=False, add_generation_prompt=False)
    assert THINKING not in text
    assert f"<|im_start|>assistant\n{ANSWER}<|im_end|>" in text
    assert text.endswith(f"<|im_start|>assistant\n<think>\n\n</think>\n\n{ANSWER}<|im_end|>\n")


def test_a_finished_harmony_turn_equals_prompt_and_completion(dialects: dict[str, Dialect]) -> None:
    """Ended by <|return|>, as the model does; the same answer in a history ends with <|end|>."""
    dialect = dialects["gpt_oss"]
    ours = dialect.prompt_ids((SYSTEM, *ONE)) + dialect.completion_ids(THINKING, ANSWER)
    last = {"role": "assistant", "thinking": THINKING, "content": ANSWER}
    turns = [*as_turns((SYSTEM, *ONE)), last]
    assert rendered(dialect, turns, add_generation_prompt=False) == ours
    history = rendered(dialect, [*turns, {"role": "user", "content": "More?"}], tokenize=False)
    assert f"final<|message|>{ANSWER}<|end|>" in history
    assert THINKING not in history and "<|return|>" not in history


@pytest.mark.parametrize("family", ["deepseek_r1", "deepseek_r1_distilled"])
def test_a_finished_deepseek_turn_equals_prompt_and_completion(
    dialects: dict[str, Dialect], family: str
) -> None:
    """By TRL's training template: the stock one cuts the last turn's thinking off as well."""
    dialect = dialects[family]
    ours = dialect.prompt_ids((SYSTEM, *ONE)) + dialect.completion_ids(THINKING, ANSWER)
    thought = f"<think>\n{THINKING}\n</think>\n\n{ANSWER}"
    turns = [*as_turns((SYSTEM, *ONE)), {"role": "assistant", "content": thought}]
    training = (TEMPLATES / "deepseek_r1_distill_training.jinja").read_text(encoding="utf-8")
    given = {"add_generation_prompt": False, "chat_template": training}
    assert rendered(dialect, turns, **given) == ours
    stock = rendered(dialect, turns, tokenize=False, add_generation_prompt=False)
    assert THINKING not in stock


def test_a_turn_that_the_template_leaves_out_is_an_error(dialects: dict[str, Dialect]) -> None:
    """Harmony's takes a system turn at the beginning only, and is silent about others."""
    late = (*ONE, SYSTEM)
    with pytest.raises(DataError, match=r"leaves out a turn \(system: 'Answer in one line"):
        dialects["gpt_oss"].prompt_ids(late)
    assert dialects["qwen3"].prompt_ids(late) == rendered(dialects["qwen3"], as_turns(late))
