"""What a node will need, by stated assumptions: tokens, GPU hours, disk."""

from __future__ import annotations

from dataclasses import dataclass

from eval.benchmarks import find_benchmark
from tessy.config import Experiment
from tessy.pipeline.graph import Node

TOKENS_A_SAMPLE = 13_400  # of a Qwen3-8B and gpt-oss-120b cooperation on contest problems
TOKENS_A_MINI_SAMPLE = 150
PEAK = 989e12  # bf16 FLOP/s of an H200
DECODING = 0.025  # share of it while generating for some hundred samples
TRAINING = 0.4  # share of it in fine-tuning
BYTES_A_TOKEN = 12  # text, journal and data set
BYTES_A_PARAMETER = 16  # weights, master weights and optimizer of a state to resume from
ASSUMPTIONS = (
    f"{TOKENS_A_SAMPLE:,} tokens a sample ({TOKENS_A_MINI_SAMPLE} in the miniature world), "
    f"H200 at {DECODING:.1%} of its peak when generating and {TRAINING:.0%} when training"
)


@dataclass(frozen=True)
class Estimate:
    """What a node needs."""

    tokens: float = 0  # generated, or passed through training
    gpu_hours: float = 0
    disk: float = 0  # bytes

    def __add__(self, other: Estimate) -> Estimate:
        return Estimate(
            self.tokens + other.tokens,
            self.gpu_hours + other.gpu_hours,
            self.disk + other.disk,
        )


def estimate(node: Node, e: Experiment) -> Estimate:
    """Tokens, GPU hours and disk of one node, by the assumptions above."""
    mini = e.questions.source == "mini"
    typical = TOKENS_A_MINI_SAMPLE if mini else TOKENS_A_SAMPLE
    length = min(typical, e.sampling.max_tokens)
    if node.stage == "synthesize":
        tokens = e.questions.samples * length
        writer = e.student if node.config["kind"] == "student_only" else e.teacher
        hours = 0 if mini else _decoding_hours(tokens, writer.active_parameters)
        return Estimate(tokens, hours, tokens * BYTES_A_TOKEN)
    if node.stage == "sft":
        tokens = e.questions.samples * length * e.train.epochs
        hours = 6 * e.student.active_parameters * tokens / (PEAK * TRAINING) / 3600
        return Estimate(tokens, 0 if mini else hours, e.student.parameters * BYTES_A_PARAMETER)
    if node.stage == "evaluate":
        benchmark = e.benchmarks[node.subject.benchmark or ""]
        problems = benchmark.problems or find_benchmark(benchmark.kind).size
        tokens = problems * benchmark.runs * min(typical, benchmark.sampling.max_tokens)
        hours = 0 if mini else _decoding_hours(tokens, e.student.active_parameters)
        return Estimate(tokens, hours, tokens * BYTES_A_TOKEN)
    if node.stage == "predictor":
        tokens = 2 * e.predictor.segments * 300  # a segment, its instruction and its annotation
        return Estimate(tokens, _decoding_hours(tokens, e.teacher.active_parameters), 5e9)
    return Estimate()


def _decoding_hours(tokens: float, active_parameters: float) -> float:
    return tokens * 2 * active_parameters / (PEAK * DECODING) / 3600
