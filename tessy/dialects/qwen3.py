"""Qwen3: `<think>\\n...\\n</think>\\n\\n` and the answer, ended by `<|im_end|>`.

Source: the chat templates of Qwen/Qwen3-8B (thinking or not), Qwen/Qwen3-235B-A22B-Thinking-2507
(its prompt ends with `<think>\\n`) and their tokenizers.

The stock template drops the thinking of earlier turns and writes an empty one into a final turn
that has none, so a training sample is never rendered with it as a finished turn. Thinking is
turned off by the template's argument `enable_thinking: false`: the prompt then ends with an empty
thinking.

The base models have the same tokens and template. They were not trained to end a turn and stop at
`<|endoftext|>`, which generation_config.json lists as an end for all of the family.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tessy.dialects.base import NO_ARGUMENTS, Dialect

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def qwen3(
    tokenizer: PreTrainedTokenizerBase, template: Mapping[str, Any] = NO_ARGUMENTS
) -> Dialect:
    return Dialect(
        name="qwen3",
        tokenizer=tokenizer,
        open_think="<think>\n",
        close_think="</think>\n\n",
        end_think="</think>",
        end_answer="<|im_end|>",
        padding="\n",
        other_ends=("<|endoftext|>",),
        template=template,
    ).as_prompted()
