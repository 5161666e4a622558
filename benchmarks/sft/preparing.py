"""From trajectories to ids: speed and memory, in processes of their own."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.sft.data import sentences, write_tokenizer
from tessy.config import ModelConfig, TrainConfig
from tessy.dialects import load_dialect
from tessy.machine import peak_memory
from tessy.records import Message, Span, Trajectory, dump_line
from train.prepared import prepare

TOKENS = 15_000  # of a sample, on average


def write_trajectories(path: Path, tokenizer: Path, samples: int) -> None:
    """Samples of 15,000 tokens in which the models take turns."""
    dialect = load_dialect("qwen3", tokenizer)
    draw = np.random.default_rng(0)
    some = sentences(draw, 1000)
    spans_each = round(TOKENS * len(some) / sum(map(dialect.count, some)))
    with path.open("w", encoding="utf-8") as file:
        for number in range(samples):
            spans = [
                Span("teacher" if n % 3 else "student", "think", text, 1)
                for n, text in enumerate(sentences(draw, spans_each))
            ]
            spans.append(Span("student", "answer", "print(sum(a))", 6))
            asked = (Message("user", f"Question {number}?"),)
            sample = Trajectory(
                f"q{number}", 0, "tessy", asked, tuple(spans), "complete", {}, 0.0, {}, {}
            )
            file.write(dump_line(sample))


def preparing(samples: int, folder: Path) -> dict[str, float]:
    """Prepare that many samples; `prepare_peak_mb` is of the process and its workers together."""
    path = folder / "trajectories.jsonl"
    tokenizer = write_tokenizer(folder / "tokenizer")
    write_trajectories(path, tokenizer, samples)
    told = map(str, (path, tokenizer, folder / "prepared"))
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.sft.preparing", *told],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return dict(json.loads(ran.stdout))


def main(path: Path, tokenizer: Path, folder: Path) -> None:
    began = time.perf_counter()
    student = ModelConfig("bench", str(tokenizer), "qwen3", 1e6, 1e6, 40_960)
    config = TrainConfig("bench", 1, 128, 5e-5, 40_960)
    data = prepare(path, student, tokenizer, config, folder, "bench")
    seconds = time.perf_counter() - began
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024  # the largest one
    peak = peak_memory() + worker * len(os.sched_getaffinity(0))
    found = {
        "prepare_samples_per_s": len(data) / seconds,
        "prepare_tokens_per_s": data.counts["tokens"] / seconds,
        "prepare_tokens_a_sample": data.counts["tokens"] / len(data),
        "prepare_peak_mb": peak / 2**20,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
