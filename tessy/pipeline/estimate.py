"""What a node will need, by stated assumptions: tokens, GPU hours, disk."""

from __future__ import annotations

from dataclasses import dataclass

from eval.benchmarks import find_benchmark
from tessy.config import BenchmarkConfig, Experiment
from tessy.pipeline.node import Node
from tessy.pipeline.pool import is_pool
from train.memory import shape_of

TOKENS_A_SAMPLE = 13_400  # of a Qwen3-8B and gpt-oss-120b cooperation on contest problems
TOKENS_A_MINI_SAMPLE = 150
ANSWER = 0.1  # share of a sample's tokens that come after the thinking
SCORING = 0.1  # tokens that the teacher writes about one candidate, of those that a sample has
PEAK = 989e12  # bf16 FLOP/s of an H200
DECODING = 0.025  # share of it while generating for some hundred samples
TRAINING = 0.4  # share of it in fine-tuning
TOKENS_AN_ANNOTATION = 300  # the annotator's thinking and its list of spans
CANDIDATES = 60_000  # questions about code in OpenThoughts and Nemotron, each once
TOKENS_A_SELECTION = 300  # the teacher's thinking about one, and its word
QUESTION_BYTES = 10_000  # of one of them in the pool, with what is stored about it
PREDICTOR_BYTES = 12e9  # two of 0.6B parameters, one of them with a state to resume from
BYTES_A_TOKEN = 12  # text, journal and data set
BYTES_A_TRAINED_TOKEN = 5  # its id and who wrote it, while training reads them
BYTES_A_PARAMETER = 16  # weights, master weights and optimizer of a state to resume from
ASSUMPTIONS = (
    f"{TOKENS_A_SAMPLE:,} tokens a sample ({TOKENS_A_MINI_SAMPLE} in the miniature world), "
    f"{ANSWER:.0%} of them the answer, {TOKENS_AN_ANNOTATION} an annotation, {TOKENS_A_SELECTION} "
    f"for each of {CANDIDATES:,} questions that are selected from, H200 at "
    f"{DECODING:.1%} of its peak when generating and {TRAINING:.0%} when training"
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
    if node.stage == "report":
        return Estimate()
    e = e.case(node.subject.case)
    mini = e.is_mini
    typical = TOKENS_A_MINI_SAMPLE if mini else TOKENS_A_SAMPLE
    length = sample_tokens(e)
    if node.stage == "synthesize":
        stored = _samples(node, e) * length
        by_student, by_teacher = (stored * share for share in _written(node))
        hours = _decoding_hours(by_student, e.author.active_parameters)
        hours += _decoding_hours(by_teacher, e.teacher.active_parameters)
        tokens = by_student + by_teacher
        return Estimate(tokens, 0 if mini else hours, max(stored, tokens) * BYTES_A_TOKEN)
    if node.stage == "sft":
        disk = e.student.parameters * BYTES_A_PARAMETER
        disk += sft_tokens(e) / e.train.epochs * BYTES_A_TRAINED_TOKEN
        return Estimate(sft_tokens(e), sft_hours(e), disk)
    if node.stage == "score":
        tokens = sft_tokens(e) / e.train.epochs
        return Estimate(tokens, sft_hours(e) / e.train.epochs / 3, tokens * BYTES_A_TRAINED_TOKEN)
    if node.stage == "evaluate":
        benchmark = e.benchmarks[node.subject.benchmark or ""]
        if node.subject.direct:  # what is judged was written before
            return Estimate(disk=_answers(benchmark) * length * BYTES_A_TOKEN)
        tokens = _answers(benchmark) * min(typical, benchmark.sampling.max_tokens)
        hours = 0 if mini else _decoding_hours(tokens, e.student.active_parameters)
        return Estimate(tokens, hours, tokens * BYTES_A_TOKEN)
    if node.stage == "predictor":
        return _predictor(e, length, mini)
    if is_pool(node) and e.questions.select == "teacher":
        tokens = CANDIDATES * TOKENS_A_SELECTION
        return Estimate(
            tokens,
            _decoding_hours(tokens, e.teacher.active_parameters),
            CANDIDATES * QUESTION_BYTES,
        )
    return Estimate()


def _samples(node: Node, e: Experiment) -> int:
    """How many responses a synthesis makes."""
    if node.subject.benchmark is None:
        return e.questions.samples
    return _answers(e.benchmarks[node.subject.benchmark])


def _answers(benchmark: BenchmarkConfig) -> int:
    return (benchmark.problems or find_benchmark(benchmark.kind).size) * benchmark.runs


def sft_tokens(e: Experiment) -> float:
    """Tokens that one training passes through, all epochs."""
    return e.questions.samples * sample_tokens(e) * e.train.epochs


def sft_hours(e: Experiment) -> float:
    """GPU hours of one training; none are counted in the miniature world.

    6 operations a weight and token, and 6 for each channel of each layer's attention and token that
    is seen, half of the sample on average.
    """
    if e.is_mini:
        return 0.0
    shape = shape_of(e.student)
    attention = 0.0
    if shape is not None:
        attention = 6 * shape.layers * shape.heads * shape.head_dim * sample_tokens(e)
    work = (6 * e.student.active_parameters + attention) * sft_tokens(e)
    return work / (PEAK * TRAINING) / 3600


def sample_tokens(e: Experiment) -> float:
    """Of one response, by assumption."""
    typical = TOKENS_A_MINI_SAMPLE if e.is_mini else TOKENS_A_SAMPLE
    return min(typical, e.sampling.max_tokens)


def _written(node: Node) -> tuple[float, float]:
    """Tokens that student and teacher generate for a data set, as shares of those it holds."""
    candidates = node.config.get("candidates", 0)
    return {
        "student_only": (1.0, 0.0),
        "teacher_mix": (0.0, 0.0),
        "teacher_think": (ANSWER, 0.0),
        "teacher_answer": (0.0, ANSWER),
        "teacher_reference": (1.0, 0.0),
        "teacher_score": (candidates - 1.0, candidates * SCORING),
    }.get(node.config["kind"], (0.0, 1.0))  # the larger model bounds how fast both write in turn


def _predictor(e: Experiment, length: float, mini: bool) -> Estimate:
    """Both roles write responses to cut segments from, and an annotator marks each segment."""
    p = e.predictor
    written = p.segments / p.segments_per_response * length
    annotator = {"student": e.author, "model": e.annotator}.get(p.annotator, e.teacher)
    annotation = 0 if p.annotator == "mini" else 2 * p.segments * TOKENS_AN_ANNOTATION
    tokens = 2 * written + annotation
    if mini:
        return Estimate(tokens, 0, 2 * e.student.parameters * BYTES_A_PARAMETER)
    hours = sum(_decoding_hours(written, m.active_parameters) for m in (e.author, e.teacher))
    hours += _decoding_hours(annotation, annotator.active_parameters)
    return Estimate(tokens, hours, PREDICTOR_BYTES + 2 * written * BYTES_A_TOKEN)


def _decoding_hours(tokens: float, active_parameters: float) -> float:
    return tokens * 2 * active_parameters / (PEAK * DECODING) / 3600
