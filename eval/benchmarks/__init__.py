"""Benchmarks: one file each, found by the `kind` of their configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from eval.benchmarks import mini
from tessy.config import BenchmarkConfig
from tessy.errors import MissingError, nearest
from tessy.records import Message, Problem


@dataclass(frozen=True)
class Benchmark:
    """What the evaluation needs to know about a benchmark."""

    load: Callable[[BenchmarkConfig, int], list[Problem]]  # problems of a configuration and seed
    prompt: Callable[[Problem], tuple[Message, ...]]  # how a model is asked
    extract: Callable[[str], str | None]  # the program in an answer, None if there is none
    style: Callable[[str], Mapping[str, float]]  # marks of a response's style


BENCHMARKS: dict[str, Benchmark] = {
    "mini": Benchmark(mini.load, mini.prompt, mini.extract, mini.style),
}


def find_benchmark(config: BenchmarkConfig) -> Benchmark:
    """The benchmark of a configuration.

    Raises:
        MissingError: this version of tessy cannot evaluate that kind.
    """
    if config.kind not in BENCHMARKS:
        raise MissingError(
            f"benchmark {config.name!r} is of kind {config.kind!r}, which cannot be evaluated yet",
            nearest(config.kind, BENCHMARKS),
        )
    return BENCHMARKS[config.kind]
