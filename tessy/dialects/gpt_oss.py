"""gpt-oss (harmony): thinking in the `analysis` channel, the answer in `final`.

Source: the harmony response format of openai/gpt-oss-120b. The analysis ends with `<|end|>`, the
answer with `<|return|>`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tessy.dialects.base import Dialect

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def gpt_oss(tokenizer: PreTrainedTokenizerBase) -> Dialect:
    return Dialect(
        name="gpt_oss",
        tokenizer=tokenizer,
        open_think="<|channel|>analysis<|message|>",
        close_think="<|end|><|start|>assistant<|channel|>final<|message|>",
        end_think="<|end|>",
        end_answer="<|return|>",
    )
