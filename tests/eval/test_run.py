"""The evaluation stage with a real miniature model, engine and sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.benchmarks import find_benchmark
from eval.run import JOURNAL, evaluate
from tessy.checkpoints import locate
from tessy.config import (
    BenchmarkConfig,
    EngineConfig,
    JudgeConfig,
    ModelConfig,
    SamplingConfig,
    ServeConfig,
)
from tessy.errors import ArtifactError
from tessy.records import JudgedAnswer, dump_line, read_jsonl

BENCHMARK = BenchmarkConfig(
    "mini", "mini", runs=2, problems=6, sampling=SamplingConfig(max_tokens=320)
)
PROBLEMS = find_benchmark("mini").load(BENCHMARK, 0).problems


def run(folder: Path) -> dict[str, float | int]:
    return evaluate(
        model_path=locate("mini:student"),
        model=ModelConfig("student", "mini:student", "qwen3", 1e6, 1e6, 1024),
        problems=PROBLEMS,
        benchmark=BENCHMARK,
        engine=EngineConfig("transformers", "cpu", batch_size=8, threads=1),
        serve=ServeConfig(),
        judge=JudgeConfig(),
        seed=5,
        folder=folder,
        label="test",
    )


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, float | int]]:
    folder = tmp_path_factory.mktemp("undisturbed")
    return folder, run(folder)


def test_every_answer_is_judged_once_and_in_order(
    undisturbed: tuple[Path, dict[str, float | int]],
) -> None:
    folder, counts = undisturbed
    answers = list(read_jsonl(folder / JOURNAL, JudgedAnswer))
    assert [a.key for a in answers] == [(p.problem_id, r) for p in PROBLEMS for r in range(2)]
    assert counts["answers"] == counts["generated"] == 12
    assert counts["passed"] == counts["verdict_accepted"] == sum(a.passed for a in answers)
    assert counts["passed"] > 0 and counts["verdict_judge_fault"] == 0
    assert sum(v for k, v in counts.items() if k.startswith("verdict_")) == 12
    assert sum(v for k, v in counts.items() if k.startswith("finish_")) == 12
    assert counts["tokens"] == sum(a.n_tokens for a in answers)
    for answer in answers:
        assert set(answer.style) == {"student", "teacher"}
        assert answer.passed == (answer.verdict == "accepted")
        assert "<|im_end|>" not in answer.response
        if answer.finish == "complete":
            assert "</think>" in answer.response


def test_runs_of_a_problem_are_different_answers(
    undisturbed: tuple[Path, dict[str, float | int]],
) -> None:
    answers = list(read_jsonl(undisturbed[0] / JOURNAL, JudgedAnswer))
    assert any(a.response != b.response for a, b in zip(answers[::2], answers[1::2], strict=True))


def test_an_interrupted_evaluation_ends_with_the_same_bytes(
    undisturbed: tuple[Path, dict[str, float | int]], tmp_path: Path
) -> None:
    whole = (undisturbed[0] / JOURNAL).read_bytes()
    lines = whole.splitlines(keepends=True)
    (tmp_path / JOURNAL).write_bytes(b"".join([lines[7], lines[2], lines[4]]) + lines[5][:40])
    counts = run(tmp_path)
    assert (counts["generated"], counts["discarded_lines"], counts["answers"]) == (9, 1, 12)
    assert (tmp_path / JOURNAL).read_bytes() == whole


def test_a_finished_evaluation_generates_nothing(
    undisturbed: tuple[Path, dict[str, float | int]],
) -> None:
    folder, first = undisturbed
    before = (folder / JOURNAL).read_bytes()
    again = run(folder)
    assert again["generated"] == 0
    assert {k: again[k] for k in ("answers", "passed", "tokens")} == {
        k: first[k] for k in ("answers", "passed", "tokens")
    }
    assert (folder / JOURNAL).read_bytes() == before


def test_a_journal_of_other_problems_is_refused(tmp_path: Path) -> None:
    stranger = JudgedAnswer("other", 0, "", "complete", 0, "no_code", False)
    (tmp_path / JOURNAL).write_text(dump_line(stranger))
    with pytest.raises(ArtifactError, match="other problems"):
        run(tmp_path)
