"""Judge responses that a synthesis wrote to a benchmark's own problems (paper, figure 6)."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from eval.answers import counts, list_unjudged, not_asked, record
from eval.benchmarks import Benchmark, Unjudged, find_benchmark
from eval.journal import Journal
from eval.judge.sandbox import check_isolation
from eval.run import UNJUDGED
from tessy.config import BenchmarkConfig, JudgeConfig
from tessy.progress import bar
from tessy.records import ANSWERS, JudgedAnswer, Problem, Trajectory, read_jsonl


def judge_responses(
    trajectories: Path,
    problems: Sequence[Problem],
    benchmark: BenchmarkConfig,
    judge: JudgeConfig,
    folder: Path,
    label: str,
    unjudged: Sequence[Unjudged] = (),
) -> dict[str, float | int]:
    """Judge the answers of trajectories whose questions are the problems, repeats their runs.

    Writes `folder/answers.jsonl` like `eval.run.evaluate`, and goes on where it was interrupted.

    Returns:
        Counts: `problems` in the score, `answers`, `passed`, `tokens`, `finish_NAME` and
        `verdict_NAME` for each.

    Raises:
        SandboxError: programs cannot be isolated on this machine.
        StorageError: the disk refuses.
    """
    found = find_benchmark(benchmark.kind)
    if found.needs_sandbox:
        check_isolation()
    by_id = {problem.problem_id: problem for problem in problems}
    counted = [problem for problem in unjudged if problem.counts]
    names = [*by_id, *(problem.problem_id for problem in counted)]
    order = [(name, run) for name in names for run in range(benchmark.runs)]
    list_unjudged(folder / UNJUDGED, unjudged)
    with (
        Journal(folder / ANSWERS) as journal,
        ThreadPoolExecutor(judge.workers, "judge") as pool,
        bar(len(order), label, "answers", len(journal.answers)) as progress,
    ):
        todo = (
            done for done in read_jsonl(trajectories, Trajectory) if done.key not in journal.answers
        )

        def one(done: Trajectory) -> JudgedAnswer:
            return _judged(done, by_id[done.question_id], found, judge)

        for answer in pool.map(one, todo):
            journal.append(answer)
            progress.update()
        for problem in counted:
            for run in range(benchmark.runs):
                if (problem.problem_id, run) not in journal.answers:
                    journal.append(not_asked(problem, run))
        journal.finish(order)
        return counts([journal.answers[key] for key in order]) | {"problems": len(names)}


def _judged(
    done: Trajectory, problem: Problem, benchmark: Benchmark, judge: JudgeConfig
) -> JudgedAnswer:
    answer = done.text("answer")
    verdict = benchmark.judge(problem, benchmark.extract(problem, answer), judge)
    n_tokens = sum(span.n_tokens for span in done.spans)
    response = done.text()
    style = benchmark.style(response)
    return record(problem, done.repeat, done.finish, n_tokens, response, verdict, style)
