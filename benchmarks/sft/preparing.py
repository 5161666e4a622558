"""From trajectories to ids: speed and memory, in processes of their own."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

from tessy.checkpoints import locate
from tessy.config import ModelConfig, TrainConfig
from tessy.dialects import load_dialect
from tessy.records import Message, Span, Trajectory, dump_line
from train.prepared import prepare

STUDENT = ModelConfig("mini", "mini:student", "qwen3", 0.88e6, 0.88e6, 1024)
TOKENS, SPAN = 15_000, 60  # of a sample, and of a span of one writer
SENTENCE = "Okay, let me see. First, keep the even numbers `x % 2 == 0`; but wait, sort them too.\n"


def write_trajectories(path: Path, samples: int) -> None:
    """Samples of 15,000 tokens in which the models take turns."""
    dialect = load_dialect("qwen3", locate(STUDENT.path))
    a_sentence = dialect.count(SENTENCE)
    spans = [
        Span("teacher" if n % 3 else "student", "think", f"{n}. {SENTENCE}", a_sentence)
        for n in range(TOKENS // (a_sentence + 4))
    ]
    spans.append(Span("student", "answer", "print(sum(a))", 6))
    with path.open("w", encoding="utf-8") as file:
        for number in range(samples):
            asked = (Message("user", f"Question {number}?"),)
            sample = Trajectory(
                f"q{number}", 0, "tessy", asked, tuple(spans), "complete", {}, 0.0, {}, {}
            )
            file.write(dump_line(sample))


def preparing(samples: int, folder: Path) -> dict[str, float]:
    """Prepare that many samples; `prepare_peak_mb` is of the process and its workers together."""
    path = folder / "trajectories.jsonl"
    write_trajectories(path, samples)
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.sft.preparing", str(path), str(folder / "prepared")],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return dict(json.loads(ran.stdout))


def main(path: Path, folder: Path) -> None:
    began = time.perf_counter()
    config = TrainConfig("bench", 1, 128, 5e-5, 40_960)
    data = prepare(path, STUDENT, locate(STUDENT.path), config, folder, "bench")
    seconds = time.perf_counter() - began
    own, workers = (
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    peak = own + workers * len(os.sched_getaffinity(0))  # each worker at the largest one's size
    found = {
        "prepare_samples_per_s": len(data) / seconds,
        "prepare_tokens_per_s": data.counts["tokens"] / seconds,
        "prepare_tokens_a_sample": data.counts["tokens"] / len(data),
        "prepare_peak_mb": peak / 1024,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
