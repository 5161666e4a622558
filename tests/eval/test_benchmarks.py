"""What a benchmark asks, and which program it reads out of an answer."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from eval.benchmarks import find_benchmark, kinds, mini
from eval.judge.judge import judge
from eval.judge.spec import Limits
from tessy.config import BenchmarkConfig, JudgeConfig
from tessy.errors import ConfigError, MissingError
from tessy.mini.style import student_document, teacher_document
from tessy.mini.world import mini_problems

ROOT = Path(__file__).resolve().parents[2]
CONFIG = BenchmarkConfig("mini", "mini", runs=1, problems=5)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("Here:\n```python\nprint(1)\n```", "print(1)\n"),
        ("```python\nprint(1)\n```\nor\n```python\nprint(2)\n```\nDone.", "print(2)\n"),
        ("```python\nprint(1)\n", None),
        ("```python\nprint(1)\n```\nbut\n```python\nprint(2)", None),
        ("```python\nprint(1)```", None),
        ("print(1)", None),
        ("```\nprint(1)\n```", None),
        ("```cpp\nint main() {}\n```", None),
        ("Write ```python\nlike this", None),
        ("```python\n```", ""),
        ("```python\ns = '''\n ```\n'''\n```", "s = '''\n ```\n'''\n"),
        ("```python\nprint(1)\n```\nsaid ```python, closed", "print(1)\n"),
        ("", None),
    ],
)
def test_the_last_closed_python_fence_is_the_program(answer: str, code: str | None) -> None:
    assert mini.extract(answer) == code


def test_problems_come_from_the_held_out_split_unless_named() -> None:
    held_out = mini.load(CONFIG, seed=3)
    assert len(held_out.problems) == 5 and not held_out.unjudged
    assert held_out == mini.load(BenchmarkConfig("m", "mini", 1, 5, split="held_out"), seed=3)
    other = mini.load(BenchmarkConfig("m", "mini", 1, 5, split="development"), seed=3)
    assert not {p.prompt for p in held_out.problems} & {p.prompt for p in other.problems}


def test_all_problems_of_a_world_without_end_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"benchmarks\.mini\.problems above 0"):
        mini.load(BenchmarkConfig("mini", "mini", runs=1), seed=0)


def test_a_kind_that_cannot_be_evaluated_is_one_clear_error() -> None:
    with pytest.raises(MissingError, match=r"'ojbenhc' is unknown; did you mean 'ojbench'\?"):
        find_benchmark("ojbenhc")


@pytest.mark.parametrize("kind", kinds())
def test_every_file_is_a_benchmark_with_a_configuration(kind: str) -> None:
    assert find_benchmark(kind).size > 0
    files = [OmegaConf.load(file) for file in (ROOT / "conf" / "benchmark").glob("*.yaml")]
    assert kind in {file.kind for file in files}


def test_both_models_right_programs_pass_their_tests() -> None:
    limits = Limits.of(JudgeConfig())
    for _, problem, judged in mini_problems(1, "held_out", 8):
        assert mini.prompt(judged)[-1].content == judged.prompt
        right = student_document(problem, random.Random(0), unsure=False)
        for document in (right, teacher_document(problem)):
            got = judge(judged, mini.extract(document.answer), limits)
            assert got.passed, (got, document.answer)
