"""The evaluation stage with a real miniature model, engine and sandbox."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.answers import finish_of, record
from eval.benchmarks import Loaded, find_benchmark
from eval.judge.spec import Judgement
from eval.run import UNJUDGED, evaluate
from tessy.checkpoints import locate
from tessy.config import (
    BenchmarkConfig,
    EngineConfig,
    JudgeConfig,
    ModelConfig,
    SamplingConfig,
    ServeConfig,
)
from tessy.engines.base import Completion
from tessy.errors import ArtifactError, DataError
from tessy.records import ANSWERS, JudgedAnswer, Problem, dump_line, read_jsonl
from tests.eval import kinds
from tests.eval.fixtures import ojbench

BENCHMARK = BenchmarkConfig(
    "mini", "mini", runs=2, problems=6, sampling=SamplingConfig(max_tokens=320)
)
LOADED = find_benchmark("mini").load(BENCHMARK, 0)
PROBLEMS = LOADED.problems


def run(
    folder: Path, benchmark: BenchmarkConfig = BENCHMARK, loaded: Loaded = LOADED
) -> dict[str, float | int]:
    return evaluate(
        model_path=locate("mini:student"),
        model=ModelConfig("student", "mini:student", "qwen3", 1e6, 1e6, 1024),
        problems=loaded.problems,
        benchmark=benchmark,
        engine=EngineConfig("transformers", "cpu", batch_size=8, threads=1),
        serve=ServeConfig(),
        judge=JudgeConfig(),
        seed=5,
        folder=folder,
        label="test",
        unjudged=loaded.unjudged,
    )


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, float | int]]:
    folder = tmp_path_factory.mktemp("undisturbed")
    return folder, run(folder)


def test_every_answer_is_judged_once_and_in_order(
    undisturbed: tuple[Path, dict[str, float | int]],
) -> None:
    folder, counts = undisturbed
    answers = list(read_jsonl(folder / ANSWERS, JudgedAnswer))
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
    answers = list(read_jsonl(undisturbed[0] / ANSWERS, JudgedAnswer))
    assert any(a.response != b.response for a, b in zip(answers[::2], answers[1::2], strict=True))


def test_an_interrupted_evaluation_ends_with_the_same_bytes(
    undisturbed: tuple[Path, dict[str, float | int]], tmp_path: Path
) -> None:
    whole = (undisturbed[0] / ANSWERS).read_bytes()
    lines = whole.splitlines(keepends=True)
    (tmp_path / ANSWERS).write_bytes(b"".join([lines[7], lines[2], lines[4]]) + lines[5][:40])
    counts = run(tmp_path)
    assert (counts["generated"], counts["discarded_lines"], counts["answers"]) == (9, 1, 12)
    assert (tmp_path / ANSWERS).read_bytes() == whole


def test_a_finished_evaluation_generates_nothing(
    undisturbed: tuple[Path, dict[str, float | int]],
) -> None:
    folder, first = undisturbed
    before = (folder / ANSWERS).read_bytes()
    again = run(folder)
    assert again["generated"] == 0
    assert {k: again[k] for k in ("answers", "passed", "tokens")} == {
        k: first[k] for k in ("answers", "passed", "tokens")
    }
    assert (folder / ANSWERS).read_bytes() == before


def test_a_journal_of_other_problems_is_refused(tmp_path: Path) -> None:
    stranger = JudgedAnswer("other", 0, "", "complete", 0, "no_code", False)
    (tmp_path / ANSWERS).write_text(dump_line(stranger))
    with pytest.raises(ArtifactError, match="other problems"):
        run(tmp_path)


def test_what_cannot_be_judged_is_listed_and_counts_if_its_benchmark_says_so(
    tmp_path: Path,
) -> None:
    kinds.need_testlib()
    data = ojbench.make(tmp_path / "data")
    sampling = SamplingConfig(max_tokens=40)
    config = BenchmarkConfig("oj", "ojbench", runs=2, path=str(data), sampling=sampling)
    loaded = find_benchmark("ojbench").load(config, 0)
    counts = run(tmp_path / "out", config, loaded)
    assert (counts["problems"], counts["answers"], counts["generated"]) == (5, 10, 8)
    assert (counts["unjudged_counted"], counts["unjudged_left_out"]) == (1, 1)
    assert counts["verdict_judge_fault"] == counts["finish_failed"] == 2
    answers = list(read_jsonl(tmp_path / "out" / ANSWERS, JudgedAnswer))
    assert [a.problem_id for a in answers if a.verdict == "judge_fault"] == ["one2023_B"] * 2
    assert "custom_judge is not supported" in answers[-1].message
    assert {(a.difficulty, a.split) for a in answers} == {("easy", "NOI"), ("easy", "ICPC")}
    listed = [json.loads(line) for line in (tmp_path / "out" / UNJUDGED).read_text().splitlines()]
    assert [(u["problem_id"], u["counts"]) for u in listed] == [
        ("one2023_B", True),
        ("nwerc2023_H", False),
    ]
    before = (tmp_path / "out" / ANSWERS).read_bytes()
    assert run(tmp_path / "out", config, loaded)["generated"] == 0
    assert (tmp_path / "out" / ANSWERS).read_bytes() == before


def test_a_benchmark_of_which_nothing_can_be_judged_is_an_error(tmp_path: Path) -> None:
    loaded = Loaded((), ())
    with pytest.raises(DataError, match="no problem of benchmark mini can be judged"):
        run(tmp_path, BENCHMARK, loaded)


@pytest.mark.parametrize(
    ("finish", "text", "expected"),
    [
        ("stop", "I see. " * 40, "complete"),
        ("length", "I see, and I go on to say what I see. " * 40, "degenerate"),
        ("length", " ".join(map(str, range(400))), "length"),
    ],
)
def test_an_answer_that_ran_in_circles_to_the_limit_is_degenerate(
    finish: str, text: str, expected: str
) -> None:
    completion = Completion((1, 2), finish)  # type: ignore[arg-type]
    got = record(
        Problem("p", ""),
        0,
        finish_of(completion, text),
        len(completion.ids),
        text,
        Judgement("no_code"),
        {},
    )
    assert got.finish == expected
