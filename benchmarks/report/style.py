"""Style analysis of made-up responses of full size, in a process of its own.

`python -m benchmarks.report.style RESPONSES TOKENS` prints one JSON object: seconds, peak memory.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from operator import itemgetter

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers

from eval.analysis.counts import read
from eval.analysis.style import frequent_words, project, similarities
from eval.analysis.tokenizer import StudentTokens
from tessy.machine import peak_memory
from tessy.records import Span, Trajectory, Writer

VOCABULARY = 151_936  # Qwen3's
SOURCES: tuple[tuple[str, Writer], ...] = (
    ("Student", "student"),
    ("Teacher", "teacher"),
    ("TESSY", "student"),
)
EXPONENT = 1.1  # of Zipf's law; English text has about 1
DRAWS = 2**20  # of which a word of the table is one


def tokenizer() -> StudentTokens:
    """As many tokens as Qwen3 has, each a word: the counts are as wide, the texts made at once."""
    vocabulary = {f"w{n:x}": n for n in range(VOCABULARY)}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="w0"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return StudentTokens(made)


def responses(source: int, writer: Writer, count: int, tokens: int) -> Iterator[Trajectory]:
    """Responses whose words follow Zipf's law; each source prefers words of its own."""
    rng = np.random.default_rng(source)
    words = [f"w{n:x}" for n in range(VOCABULARY)]
    # Drawing is a look-up: each word stands in the table as often as it is frequent.
    cumulative = np.cumsum(np.arange(1, VOCABULARY + 1, dtype=np.float64) ** -EXPONENT)
    table = np.searchsorted(cumulative / cumulative[-1], (np.arange(DRAWS) + 0.5) / DRAWS)
    own = (table + 97 * source) % VOCABULARY
    for number in range(count):
        drawn = table[rng.integers(0, DRAWS, tokens)]
        drawn[: tokens // 10] = own[rng.integers(0, DRAWS, tokens // 10)]
        text = " ".join(itemgetter(*drawn.tolist())(words))
        spans = (Span(writer, "think", text, tokens),)
        yield Trajectory(f"q{number}", 0, "tessy", (), spans, "complete", {}, 0.0, {}, {})


def main(count: int, tokens: int) -> None:
    began = time.monotonic()
    reader = tokenizer()
    found = [
        read(name, responses(n, writer, count // 3, tokens), reader.encode, reader.vocabulary)
        for n, (name, writer) in enumerate(SOURCES)
    ]
    project(found)
    similarities(found)
    frequent_words(found, [f"w{n:x}" for n in range(VOCABULARY)])
    peak = peak_memory() / 2**20
    seconds = time.monotonic() - began
    counted = sum(int(r.lengths.sum()) for r in found)
    print(json.dumps({"seconds": round(seconds, 1), "peak_mb": round(peak, 1), "tokens": counted}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
