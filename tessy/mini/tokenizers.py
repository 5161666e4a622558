"""Tokenizers of the miniature models: byte-level BPE with the real families' special tokens.

The two vocabularies differ, as those of Qwen3 and gpt-oss do. Chat templates are in the style of
the originals, shortened to what the miniature world says.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.normalizers import Normalizer
    from transformers import PreTrainedTokenizerFast

STUDENT_SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>")
TEACHER_SPECIALS = (
    "<|endoftext|>",
    "<|start|>",
    "<|end|>",
    "<|message|>",
    "<|channel|>",
    "<|return|>",
)

# As Qwen3's, without tools and earlier turns' reasoning.
STUDENT_TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
# As harmony's, without the system message's identity, date and effort.
TEACHER_TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '<|start|>' + message.role + '<|message|>' + message.content + '<|end|>' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|start|>assistant' }}{%- endif %}"
)

# Every operator, bracket and backtick is a token of its own, so that no token straddles the
# border of a span; the teacher's digits take the space before them, the student's do not.
STUDENT_PATTERN = r" ?[A-Za-z]+|[0-9]| ?[^\sA-Za-z0-9]|\n+| +"
TEACHER_PATTERN = r" ?[A-Za-z]+| ?[0-9]| ?[^\sA-Za-z0-9]|\n+| +"


def byte_level_bpe(
    corpus: Iterable[str],
    specials: Sequence[str],
    size: int,
    pattern: str = "",
    normalizer: Normalizer | None = None,
) -> Tokenizer:
    """A byte-level BPE of at most `size` tokens, special tokens first.

    Args:
        pattern: a regular expression that cuts texts into the pieces of which tokens are made;
            without, GPT-2's.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    core: Any = Tokenizer(models.BPE())
    if normalizer is not None:
        core.normalizer = normalizer
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not pattern)
    if pattern:
        cut = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
        core.pre_tokenizer = pre_tokenizers.Sequence([cut, core.pre_tokenizer])
    core.decoder = decoders.ByteLevel()
    core.train_from_iterator(
        corpus,
        trainers.BpeTrainer(
            vocab_size=size,
            special_tokens=list(specials),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return core


def train_tokenizer(
    corpus: Iterable[str],
    pattern: str,
    specials: tuple[str, ...],
    eos: str,
    template: str,
    size: int,
) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer of at most `size` tokens, special tokens first."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=byte_level_bpe(corpus, specials, size, pattern),
        eos_token=eos,
        pad_token="<|endoftext|>",
        chat_template=template,
        clean_up_tokenization_spaces=False,
        model_max_length=1024,
    )
