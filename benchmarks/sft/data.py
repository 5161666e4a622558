"""Samples to measure with: lengths as the paper's, random ids, or text that is like text."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np

from tessy.dialects.words import QWEN3
from tessy.mini.tokenizers import byte_level_bpe
from train.encode import Encoded
from train.prepared import Prepared, store

MEAN, SPREAD = 13_400, 0.6  # tokens; standard deviation of their logarithm


def paper_lengths(samples: int, limit: int, seed: int = 0) -> list[int]:
    """Log-normal lengths with the mean of synthesized data; what is longer than `limit` is drawn
    anew, as it would be dropped.
    """
    draw = np.random.default_rng(seed)
    location = np.log(MEAN) - SPREAD**2 / 2
    found: list[int] = []
    while len(found) < samples:
        drawn = draw.lognormal(location, SPREAD, samples).astype(int)
        found += [int(n) for n in drawn if 64 <= n <= limit]
    return found[:samples]


def random_samples(lengths: list[int], vocabulary: int, folder: Path) -> Prepared:
    """A prepared data set of random ids: a tenth prompt, the rest by both writers in turns."""

    def encoded() -> Iterator[Encoded]:
        draw = np.random.default_rng(0)
        for number, length in enumerate(lengths):
            ids = draw.integers(10, vocabulary, length, dtype=np.int32)
            writers = (1 + np.arange(length) // 20 % 2).astype(np.uint8)
            writers[: max(1, length // 10)] = 0
            yield Encoded((f"q{number:06d}", 0, "random"), ids, writers)

    return store(encoded(), folder, "random samples")


SYLLABLES = ["".join(pair) for pair in product("bcdfghjklmnprstvwyz", "aeiou")]
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def sentences(draw: np.random.Generator, count: int) -> list[str]:
    """Of twelve words and a number each, some with code.

    The frequencies of the words fall about as in natural text: half are of the 250 most frequent
    ones, and one of 200 is none of the 200,000 most frequent ones, so no memory of words holds all.
    """
    ranks = np.exp(draw.normal(5.5, 2.6, (count, 12))).astype(int)
    numbers = draw.integers(1, 10**6, count)
    return [
        f"{' '.join(map(_word, row))}, {n}{'.' if n % 3 else f': `a[{n % 7}] += x(i)`;'}\n"
        for row, n in zip(ranks.tolist(), numbers.tolist(), strict=True)
    ]


def _word(rank: int) -> str:
    """Longer the rarer it is."""
    spelled = ""
    while rank:
        rank, syllable = divmod(rank, len(SYLLABLES))
        spelled += SYLLABLES[syllable]
    return spelled


def write_tokenizer(folder: Path) -> Path:
    """One that cuts texts as Qwen3's does, and knows the frequent words."""
    from tokenizers import normalizers
    from transformers import PreTrainedTokenizerFast

    texts = sentences(np.random.default_rng(1), 20_000)
    core = byte_level_bpe(texts, SPECIAL, 10_000, QWEN3, normalizers.NFC())
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|im_end|>")
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    return folder
