"""Tiny tokenizers of each family: its own special tokens and pre-tokenizer, TRL's copy of its
chat template.

The templates are read from the installed package. Two that it does not have are made of one that
it has, by the difference that matters.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tokenizers import (
    AddedToken,
    normalizers,
    processors,
)
from transformers import PreTrainedTokenizerFast

from tessy.mini.tokenizers import byte_level_bpe
from tests.tiny import TEXTS

_SPEC = find_spec("trl")
assert _SPEC is not None and _SPEC.origin is not None
TEMPLATES = Path(_SPEC.origin).parent / "chat_templates"

# As in the tokenizer.json of Qwen3; those of the others differ in digits and scripts only, which
# matters to none of the tests.
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN3 = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
]
# Added, but not "special": skip_special_tokens would keep them.
QWEN3_PLAIN = [
    "<tool_call>",
    "</tool_call>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
    "<tool_response>",
    "</tool_response>",
    "<think>",
    "</think>",
]
HARMONY = [
    "<|startoftext|>",
    "<|endoftext|>",
    "<|return|>",
    "<|constrain|>",
    "<|channel|>",
    "<|start|>",
    "<|end|>",
    "<|message|>",
    "<|call|>",
    "<|endofprompt|>",
]
DEEPSEEK = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"]
DEEPSEEK_PLAIN = [
    "<｜fim▁hole｜>",
    "<｜fim▁begin｜>",
    "<｜fim▁end｜>",
    "<｜User｜>",
    "<｜Assistant｜>",
    "<|EOT|>",
    "<｜tool▁calls▁begin｜>",
    "<｜tool▁calls▁end｜>",
    "<｜tool▁call▁begin｜>",
    "<｜tool▁call▁end｜>",
    "<｜tool▁outputs▁begin｜>",
    "<｜tool▁outputs▁end｜>",
    "<｜tool▁output▁begin｜>",
    "<｜tool▁output▁end｜>",
    "<｜tool▁sep｜>",
    "<think>",
    "</think>",
]


@dataclass(frozen=True)
class Family:
    """What a checkpoint of it would have in its folder."""

    dialect: str
    special: list[str]
    plain: list[str]
    template: str  # a file of TRL
    eos: str
    bos: str | None = None
    replaced: tuple[str, str] | None = None  # in the template
    arguments: dict[str, Any] | None = None


_OFF = (
    "{%- if enable_thinking is defined and enable_thinking is false %}\n"
    "        {{- '<think>\\n\\n</think>\\n\\n' }}\n    {%- endif %}"
)
_DISTILLED = (DEEPSEEK, DEEPSEEK_PLAIN, "deepseek_r1_distill.jinja", DEEPSEEK[1], DEEPSEEK[0])
_DAY = {"date": "2025-08-05"}
FAMILIES = {
    "qwen3": Family("qwen3", QWEN3, QWEN3_PLAIN, "qwen3.jinja", "<|im_end|>"),
    # Its generation prompt ends with "<think>\n"; TRL ships no template of it.
    "qwen3_thinking_only": Family(
        "qwen3",
        QWEN3,
        QWEN3_PLAIN,
        "qwen3.jinja",
        "<|im_end|>",
        replaced=(_OFF, "{{- '<think>\\n' }}"),
    ),
    "qwen3_not_thinking": Family(
        "qwen3",
        QWEN3,
        QWEN3_PLAIN,
        "qwen3.jinja",
        "<|im_end|>",
        arguments={"enable_thinking": False},
    ),
    "qwen3_base": Family("qwen3", QWEN3, QWEN3_PLAIN, "qwen3.jinja", "<|endoftext|>"),
    # Not a model of the paper; its template trims contents.
    "qwen3_5": Family("qwen3", QWEN3, QWEN3_PLAIN, "qwen3_5_think.jinja", "<|im_end|>"),
    "gpt_oss": Family("gpt_oss", HARMONY, [], "gptoss.jinja", "<|return|>", arguments=_DAY),
    "deepseek_r1_distilled": Family("deepseek_r1", *_DISTILLED),
    # R1-0528 writes no "<think>\n" into the prompt: the model opens its thinking. TRL has only the
    # distillations' template, which does.
    "deepseek_r1": Family(
        "deepseek_r1", *_DISTILLED, replaced=("<｜Assistant｜><think>\\n", "<｜Assistant｜>")
    ),
}


def template_of(family: Family) -> str:
    """The chat template, as it would lie in the checkpoint's folder."""
    source = (TEMPLATES / family.template).read_text(encoding="utf-8")
    if family.replaced:
        assert source.count(family.replaced[0]) == 1, "TRL's template has changed"
        source = source.replace(*family.replaced)
    return source


def save(family: Family, folder: Path, **settings: Any) -> Path:
    """Write the tokenizer files of a tiny checkpoint; `settings` replace those of its tokenizer."""
    texts = [*TEXTS, "first\n\nsecond\n\n\nthird", "assistant user system thinking analysis final"]
    normalizer = normalizers.NFC() if family.dialect == "qwen3" else None
    core = byte_level_bpe(texts * 3, family.special, 400, PATTERN, normalizer)
    core.add_tokens([AddedToken(t, normalized=False, special=False) for t in family.plain])
    if family.bos:  # as DeepSeek's, which begins every text with it unless told otherwise
        core.post_processor = processors.TemplateProcessing(
            single=f"{family.bos} $A", special_tokens=[(family.bos, core.token_to_id(family.bos))]
        )
    given = {"eos_token": family.eos, "bos_token": family.bos, "pad_token": family.special[0]}
    given |= {"chat_template": template_of(family), **settings}
    PreTrainedTokenizerFast(tokenizer_object=core, **given).save_pretrained(folder)
    return folder
