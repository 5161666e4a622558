"""Qwen3 in thinking mode: `<think>\\n...\\n</think>\\n\\n` and the answer, ended by `<|im_end|>`.

Source: the chat template in the tokenizer_config.json of Qwen/Qwen3-8B. The template strips the
thinking of earlier turns, so a training sample is never rendered with it as a finished turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tessy.dialects.base import Dialect

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def qwen3(tokenizer: PreTrainedTokenizerBase) -> Dialect:
    return Dialect(
        name="qwen3",
        tokenizer=tokenizer,
        open_think="<think>\n",
        close_think="</think>\n\n",
        end_think="</think>",
        end_answer="<|im_end|>",
        padding="\n",
    )
