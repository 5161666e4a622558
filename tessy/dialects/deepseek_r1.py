"""DeepSeek-R1: `<think>\\n...\\n</think>\\n\\n` and the answer, ended by the end of sentence.

Source: the chat templates of deepseek-ai/DeepSeek-R1-0528 and of the R1 distillations. The first
leaves the opening of the thinking to the model; the others put it at the end of the prompt. Both
cut earlier answers at `</think>`. The names of special tokens have full-width bars and U+2581.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tessy.dialects.base import NO_ARGUMENTS, Dialect

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def deepseek_r1(
    tokenizer: PreTrainedTokenizerBase, template: Mapping[str, Any] = NO_ARGUMENTS
) -> Dialect:
    return Dialect(
        name="deepseek_r1",
        tokenizer=tokenizer,
        open_think="<think>\n",
        close_think="</think>\n\n",
        end_think="</think>",
        end_answer="<｜end▁of▁sentence｜>",
        padding="\n",
        template=template,
    ).as_prompted()
