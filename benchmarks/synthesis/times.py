"""The time model: how long a step, a request, a chunk takes. All times in milliseconds.

Two models on one H200 each, by roofline: a step costs a fixed overhead, reading the weights or
computing the tokens (whichever is longer), and reading the keys and values of the context. The
teacher is a mixture of experts: few tokens read few of its experts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tessy.records import Writer

Step = Callable[[int, int], float]  # (tokens in the step, context tokens) -> milliseconds


def student_step(n: int, context: int) -> float:
    """A dense model of 8 billion parameters."""
    return 1.5 + max(4.3, 0.033 * n) + 38e-6 * context


def teacher_step(n: int, context: int) -> float:
    """A mixture of 117 billion parameters, one expert in 32 active."""
    return 2.5 + max(1.5 + 11.5 * (1 - (31 / 32) ** n), 0.03 * n) + 9.6e-6 * context


@dataclass(frozen=True)
class FrontEnd:
    """A server's single-threaded HTTP front end, and the network before it."""

    request: float = 1.0  # a request with token ids
    token: float = 0.02  # an output token
    chunk: float = 0.12  # a streamed chunk
    text_token: float = 0.15e-3  # more for each token of a prompt that comes as text
    network: float = 0.3  # each way
    stream_interval: int = 0  # tokens a streamed chunk, as `serve.stream_interval`


@dataclass(frozen=True)
class ServerModel:
    """One simulated server."""

    step: Step
    kv_tokens: int  # keys and values that it holds at once
    front: FrontEnd = FrontEnd()
    step_tokens: int = 8192  # tokens that one step computes at most


PREDICTOR_MS = 3.0  # a batch of a boundary predictor


def servers(front: FrontEnd, student_kv: int = 2_000_000) -> dict[Writer, ServerModel]:
    """Both roles as the benchmark's headline assumes them."""
    return {
        "student": ServerModel(student_step, student_kv, front),
        "teacher": ServerModel(teacher_step, 3_000_000, front),
    }
