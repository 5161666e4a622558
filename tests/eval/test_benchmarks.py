"""What a benchmark asks, and which program it reads out of an answer."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from eval import benchmarks
from eval.benchmarks import find_benchmark, kinds, mini
from eval.grade import grade
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


NEW = """
from pathlib import Path
from eval.benchmarks import Benchmark, Loaded, find_by, read_problems
from eval.judge.spec import Judgement
from eval.published import rows
from tessy.records import Message, Problem

def to_problem(row):
    return Problem(row.text("id"), row.text("question"), metadata={"answer": row.text("answer")})

def judge(problem, answer, config):
    return Judgement("accepted" if answer == problem.metadata["answer"] else "wrong_answer")

def load_all(folder):
    return read_problems(rows(folder), to_problem, 0).problems

BENCHMARK = Benchmark(
    size=1,
    load=lambda config, seed: read_problems(rows(Path(config.path)), to_problem, config.problems),
    prompt=lambda problem: (Message("user", problem.prompt),),
    extract=lambda problem, response: response.strip(),
    judge=judge,
    open_data=lambda folder: find_by("id", load_all(folder), folder),
    keys=("id",),
    needs_sandbox=False,
)
"""


def test_a_benchmark_is_added_by_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "capitals.py").write_text(NEW)
    (tmp_path / "data").mkdir()
    row = '{"id": "1", "question": "Capital of France?", "answer": "Paris"}\n'
    (tmp_path / "data" / "rows.jsonl").write_text(row)
    monkeypatch.setattr(benchmarks, "__path__", [*benchmarks.__path__, str(tmp_path)])
    added = find_benchmark("capitals")
    config = BenchmarkConfig("c", "capitals", runs=1, path=str(tmp_path / "data"))
    (problem,) = added.load(config, 0).problems
    answer = added.extract(problem, " Paris\n")
    assert added.judge(problem, answer, JudgeConfig()).passed
    responses = tmp_path / "responses.jsonl"
    responses.write_text('{"id": "1", "content": "Rome"}\n')
    counts = grade("capitals", tmp_path / "data", responses, tmp_path / "out.jsonl", workers=1)
    assert counts == {"kept": 0, "wrong_answer": 1}
