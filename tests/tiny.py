"""Tiny random models of both families, made in a folder of the test session."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoTokenizer,
    GptOssConfig,
    GptOssForCausalLM,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3ForTokenClassification,
)

from tessy.mini.tokenizers import byte_level_bpe

QWEN_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"]
HARMONY_TOKENS = [
    "<|endoftext|>",
    "<|start|>",
    "<|channel|>",
    "<|message|>",
    "<|end|>",
    "<|return|>",
]
QWEN_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
HARMONY_TEMPLATE = (
    "{% for m in messages %}<|start|>{{ m.role }}<|message|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant{% endif %}"
)
TEXTS = [
    "Okay, let me see. First, I need to keep the even numbers: `x % 2 == 0`.\nNext, I sort them.",
    "But wait, that is not right. We need to print the sum of all of the numbers.\n\nprint(sum(a))",
    "def main():\n    a = [int(x) for x in input().split()]\n    print(max(a))\nmain()",
    "Alternatively, the answer is the largest one; so here is the solution, it is short. é ü 漢",
]


def save_tokenizer(folder: Path, special: list[str], template: str, size: int, end: str) -> Any:
    core = byte_level_bpe(TEXTS * 3, special, size)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token=end, pad_token=special[0], chat_template=template
    )
    fast.save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


def teach(model: Any, tokenizer: Any, before: str, between: str, after: str, steps: int) -> None:
    """A few steps on four documents, so that words come out and the thinking ends."""
    documents = [
        tokenizer.encode(before + thought + between + answer + after)
        for thought, answer in zip(TEXTS, TEXTS[::-1], strict=True)
    ]
    width = max(map(len, documents))
    ids = torch.tensor([d + [tokenizer.pad_token_id] * (width - len(d)) for d in documents])
    labels = torch.tensor([d + [-100] * (width - len(d)) for d in documents])
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(steps):
        model(input_ids=ids, labels=labels, attention_mask=labels >= 0).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def save_qwen(
    folder: Path, labels: bool = False, size: int = 400, steps: int = 60, **shape: int
) -> Path:
    """A Qwen3 student, or with `labels` a token classifier."""
    tokenizer = save_tokenizer(folder, QWEN_TOKENS, QWEN_TEMPLATE, size, "<|im_end|>")
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        **{
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "max_position_embeddings": 2048,
            **shape,
        },
        tie_word_embeddings=True,
        initializer_range=0.3 if labels else 0.05,
    )
    torch.manual_seed(1 + labels)
    model = (Qwen3ForTokenClassification if labels else Qwen3ForCausalLM)(config)
    if not labels:
        before = "<|im_start|>assistant\n<think>\n"
        teach(model, tokenizer, before, "\n</think>\n\n", "<|im_end|>", steps)
    model.save_pretrained(folder)
    return folder


def save_gpt_oss(folder: Path, size: int = 430, steps: int = 60, **shape: int) -> Path:
    """A gpt-oss teacher: sinks, sliding and full attention, four experts."""
    tokenizer = save_tokenizer(folder, HARMONY_TOKENS, HARMONY_TEMPLATE, size, "<|return|>")
    config = GptOssConfig(
        vocab_size=len(tokenizer),
        **{
            "hidden_size": 64,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "num_local_experts": 4,
            "num_experts_per_tok": 2,
            "sliding_window": 16,
            "max_position_embeddings": 2048,
            **shape,
        },
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        initializer_range=0.05,
    )
    torch.manual_seed(3)
    model = GptOssForCausalLM(config)
    before = "<|start|>assistant<|channel|>analysis<|message|>"
    between = "<|end|><|start|>assistant<|channel|>final<|message|>"
    teach(model, tokenizer, before, between, "<|return|>", steps)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of a student, a teacher, and a predictor for each."""
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("tiny")
    return {
        "student": save_qwen(root / "student"),
        "teacher": save_gpt_oss(root / "teacher"),
        "predictor": save_qwen(root / "predictor", labels=True, hidden_size=32),
    }
