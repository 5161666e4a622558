"""A chat template's arguments are what it reads, and a date is never today's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tessy.dialects import load_dialect
from tessy.dialects.chat_template import arguments, read_source
from tessy.errors import CheckpointError, ConfigError
from tessy.records import Message
from tests.dialects.conftest import Bind
from tests.dialects.families import FAMILIES, TEMPLATES, save, template_of


@pytest.mark.parametrize(
    ("file", "names"),
    [
        ("qwen3", {"enable_thinking"}),
        ("qwen3_training", {"enable_thinking"}),  # has transformers' own tag
        ("qwen3_instruct_2507", set()),
        ("gptoss", {"date", "reasoning_effort", "model_identity", "builtin_tools"}),
        ("deepseek_r1_distill", set()),
        ("qwen3_8", {"enable_thinking", "preserve_thinking", "reasoning_effort", "add_vision_id"}),
    ],
)
def test_the_arguments_of_real_templates_are_found(file: str, names: set[str]) -> None:
    source = (TEMPLATES / f"{file}.jinja").read_text(encoding="utf-8")
    assert arguments(source, file) == names


@pytest.mark.parametrize(
    ("family", "given", "says"),
    [
        ("gpt_oss", {"reasoning_efort": "high"}, "'reasoning_efort'; did you mean 'reasoning_effo"),
        ("gpt_oss", {"date": "tomorrow"}, "date='tomorrow' .* is no date; write it as"),
        ("gpt_oss", {"reasoning_effort": 3}, "cannot be rendered with .*'reasoning_effort': 3"),
        ("qwen3", {"date": "2025-08-05"}, "takes no argument 'date'; choose from enable_thinking"),
        ("qwen3", {"messages": "x"}, "takes no argument 'messages'"),
        ("qwen3_thinking_only", {"enable_thinking": False}, "'enable_thinking'; there are none"),
        ("deepseek_r1", {"bos_token": "x"}, "takes no argument 'bos_token'"),
    ],
)
def test_a_wrong_argument_is_refused_by_name(
    bind: Bind, family: str, given: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        bind(family, **given)


def test_a_template_that_asks_for_the_date_needs_one(tmp_path: Path) -> None:
    folder = save(FAMILIES["gpt_oss"], tmp_path)
    with pytest.raises(ConfigError, match=r"today's date into every prompt; fix it .*2025-08-05"):
        load_dialect("gpt_oss", folder)


def test_the_template_is_read_from_wherever_the_checkpoint_has_it(tmp_path: Path) -> None:
    source = template_of(FAMILIES["qwen3"])
    folder = save(FAMILIES["qwen3"], tmp_path)
    assert (folder / "chat_template.jinja").is_file() and read_source(folder) == source
    (folder / "chat_template.jinja").unlink()
    settings = folder / "tokenizer_config.json"
    assert read_source(folder) == ""
    with pytest.raises(CheckpointError, match="has no chat template; add the family's"):
        load_dialect("qwen3", folder)
    settings.write_text('{"chat_template": "one"}')
    assert read_source(folder) == "one"
    several = [{"name": "tools", "template": "two"}, {"name": "default", "template": "three"}]
    settings.write_text(f'{{"chat_template": {several}}}'.replace("'", '"'))
    assert read_source(folder) == "three"
    settings.write_text("{")
    with pytest.raises(CheckpointError, match=r"tokenizer_config.json is not JSON"):
        read_source(folder)


def test_of_several_templates_the_default_one_is_rendered(tmp_path: Path) -> None:
    source = template_of(FAMILIES["qwen3"])
    folder = save(FAMILIES["qwen3"], tmp_path, chat_template={"default": source, "other": "x"})
    dialect = load_dialect("qwen3", folder, {"enable_thinking": False})
    assert not dialect.thinks
    text = dialect.decode(dialect.prompt_ids((Message("user", "x"),)))
    assert text.startswith("<|im_start|>user\nx")
    assert read_source(folder) == source


def test_a_malformed_template_is_named(tmp_path: Path) -> None:
    folder = save(FAMILIES["qwen3"], tmp_path, chat_template="{% if messages %}")
    with pytest.raises(CheckpointError, match="is malformed"):
        load_dialect("qwen3", folder)
