"""gpt-oss (harmony): thinking in the `analysis` channel, the answer in `final`.

Source: the harmony response format and chat template of openai/gpt-oss-120b. The analysis ends
with `<|end|>`. So does the answer of an earlier turn; the answer that a model writes ends with
`<|return|>`, and a call of a tool, of which none is offered, with `<|call|>`.

The template takes `reasoning_effort` (low, medium, high), `model_identity` and, here, `date`: it
asks the clock for the current date, which must be fixed for a run to be repeatable. It renders a
system turn as the developer message, and only if it is the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tessy.dialects.base import NO_ARGUMENTS, Dialect

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_FINAL = "<|channel|>final<|message|>"


def gpt_oss(
    tokenizer: PreTrainedTokenizerBase, template: Mapping[str, Any] = NO_ARGUMENTS
) -> Dialect:
    return Dialect(
        name="gpt_oss",
        tokenizer=tokenizer,
        open_think="<|channel|>analysis<|message|>",
        close_think=f"<|end|><|start|>assistant{_FINAL}",
        end_think="<|end|>",
        end_answer="<|return|>",
        open_answer=_FINAL,
        other_ends=("<|call|>", "<|endoftext|>"),
        template=template,
    ).as_prompted()
