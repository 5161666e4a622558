"""A tiny random Qwen3 with a tokenizer of its own, and trajectories to train it on."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tessy.config import ModelConfig, TrainConfig
from tessy.dialects import load_dialect
from tessy.dialects.base import Dialect
from tessy.mini.tokenizers import byte_level_bpe
from tessy.records import Finish, Message, Span, Trajectory, dump_line

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MARKERS = ["<think>", "</think>"]  # added, but not special, as in Qwen3's own tokenizer
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CORPUS = ["Okay, let me see.", "But wait, x % 2 == 0", "print(sum(a))", "the even numbers"] * 4

# 6 steps an epoch of 2 forward passes each, with checkpoints inside the epochs.
SETTINGS = TrainConfig(
    name="tiny",
    epochs=2,
    global_batch=4,
    learning_rate=1e-3,
    max_length=256,
    weight_decay=0.01,
    precision="fp32",
    micro_batch=2,
    checkpoints_per_epoch=2,
)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Two threads on so small a model spend their time waiting for each other."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def student(tmp_path_factory: pytest.TempPathFactory) -> ModelConfig:
    folder = tmp_path_factory.mktemp("student")
    build(folder)
    return ModelConfig(
        name="tiny",
        path=str(folder),
        dialect="qwen3",
        parameters=1e5,
        active_parameters=1e5,
        context=512,
    )


def build(folder: Path, hidden: int = 64, layers: int = 2, vocabulary: int = 320) -> None:
    """Write a checkpoint of random weights, half precision as the ones that ship."""
    import torch
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    bpe = byte_level_bpe(CORPUS, SPECIAL, vocabulary - len(MARKERS))
    bpe.add_tokens(MARKERS)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 32,
        num_key_value_heads=max(1, hidden // 64),
        head_dim=32,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng():
        torch.manual_seed(7)
        Qwen3ForCausalLM(config).to(torch.float16).save_pretrained(folder)


@pytest.fixture(scope="session")
def dialect(student: ModelConfig) -> Dialect:
    return load_dialect("qwen3", Path(student.path))


def trajectory(
    number: int = 0,
    spans: tuple[Span, ...] | None = None,
    finish: Finish = "complete",
    question: str = "Print the sum of the even numbers.",
) -> Trajectory:
    """A sample in which the teacher wrote the middle of the thinking."""
    pick = random.Random(number)
    operation = pick.choice(["`x % 2 == 0`", "`sorted(a)`", "`sum(a)` 7 × 8 → ok"])
    written = (
        Span("student", "think", "Okay, let me see. First,", 8),
        Span("teacher", "think", f" keep {operation}" * pick.randint(1, 3), 6),
        Span("student", "think", ".\nBut wait, that is right.", 9),
        Span("student", "answer", f"Here it is:\n\nprint({number})", 9),
    )
    return Trajectory(
        question_id=f"q{number}",
        repeat=0,
        method="tessy",
        messages=(Message("user", question),),
        spans=written if spans is None else spans,
        finish=finish,
        tokens={},
        seconds=0.0,
        seeds={},
        versions={},
    )


def write(path: Path, trajectories: list[Trajectory]) -> Path:
    path.write_text("".join(map(dump_line, trajectories)), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """22 samples: with a global batch of 4 the last step of an epoch is smaller."""
    return write(tmp_path_factory.mktemp("data") / "t.jsonl", [trajectory(n) for n in range(22)])


@pytest.fixture
def settings() -> TrainConfig:
    return SETTINGS
