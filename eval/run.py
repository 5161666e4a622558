"""The evaluation stage: generate answers, run their programs in the sandbox, journal verdicts.

Programs are judged in worker threads while the engine generates. Every judged answer is journaled,
so that the same call goes on where a killed one ended.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from eval.benchmarks import Benchmark, find_benchmark
from eval.journal import Journal
from eval.judge.judge import judge
from eval.judge.sandbox import check_isolation
from eval.judge.spec import Judgement, Limits
from tessy.config import BenchmarkConfig, EngineConfig, JudgeConfig, ModelConfig, ServeConfig
from tessy.dialects import load_dialect
from tessy.dialects.base import Dialect
from tessy.engines import ModelSpec, open_engines
from tessy.engines.base import Completion, Engine, Request, complete
from tessy.engines.loop import run
from tessy.errors import ArtifactError
from tessy.progress import bar
from tessy.records import Finish, JudgedAnswer, Problem, Verdict

JOURNAL = "answers.jsonl"
SERVERS = "servers"  # logs of servers that were started for it
_FINISHES: dict[str, Finish] = {"stop": "complete", "length": "length"}


def evaluate(
    model_path: Path,
    model: ModelConfig,
    problems: Sequence[Problem],
    benchmark: BenchmarkConfig,
    engine: EngineConfig,
    serve: ServeConfig,
    judge: JudgeConfig,
    seed: int,
    folder: Path,
    label: str,
) -> dict[str, float | int]:
    """Answer every problem `benchmark.runs` times and judge the answers.

    Writes `folder/answers.jsonl`: a `JudgedAnswer` a line, in the order of (problem, run), the same
    bytes however often the evaluation was interrupted.

    Args:
        model_path: folder of the weights: of `model` itself, or of a model trained from it.
        serve: where the engine's servers come from; what they log goes to `folder`/servers.
        seed: with the problem's id and the run it determines the noise of an answer.
        label: what the progress bar says.

    Returns:
        Counts: `answers`, `passed`, `tokens`, `finish_NAME` and `verdict_NAME` for each, and of
        this call alone `generated`, `retried_faults`, `discarded_lines`, `generation_seconds`
        (the clock, until the last answer was generated) and `judge_seconds` (summed over workers).

    Raises:
        SandboxError: programs cannot be isolated on this machine.
        MissingError: the kind of benchmark cannot be evaluated.
        ArtifactError: the journal in `folder` belongs to other problems.
        StorageError: the disk refuses.
    """
    check_isolation()
    order = [(p.problem_id, run) for p in problems for run in range(benchmark.runs)]
    with Journal(folder / JOURNAL) as journal:
        strangers = journal.answers.keys() - set(order)
        if strangers:
            raise ArtifactError(
                f"{journal.path} has answers to other problems or runs ({min(strangers)})",
                "delete the folder, or evaluate into another one",
            )
        work = _Work(
            dialect=load_dialect(model.dialect, model_path, model.template),
            benchmark=find_benchmark(benchmark),
            config=benchmark,
            limits=Limits.of(judge),
            seed=seed,
            journal=journal,
        )
        todo = [
            (p, run)
            for p in problems
            for run in range(benchmark.runs)
            if (p.problem_id, run) not in journal.answers
        ]
        if todo:
            done = len(order) - len(todo)
            with bar(len(order), label, "answers", done) as progress:
                hosting = _Hosting(
                    engine, serve, folder / SERVERS, model_path, model.tensor_parallel
                )
                run(_answer_all(work, todo, hosting, judge.workers, progress), engine)
        journal.finish(order)
        return (
            _counts([journal.answers[key] for key in order])
            | work.counts
            | {
                "generated": len(todo),
                "discarded_lines": journal.discarded,
            }
        )


@dataclass
class _Work:
    """What all answers of an evaluation share."""

    dialect: Dialect
    benchmark: Benchmark
    config: BenchmarkConfig
    limits: Limits
    seed: int
    journal: Journal
    counts: dict[str, float | int] = field(
        default_factory=lambda: {
            "retried_faults": 0,
            "generation_seconds": 0.0,
            "judge_seconds": 0.0,
        }
    )


@dataclass(frozen=True)
class _Hosting:
    """Where the model runs."""

    engine: EngineConfig
    serve: ServeConfig
    logs: Path
    model_path: Path
    tensor_parallel: int


async def _answer_all(
    work: _Work,
    todo: Sequence[tuple[Problem, int]],
    hosting: _Hosting,
    workers: int,
    progress: Any,
) -> None:
    asked = {p.problem_id: work.benchmark.prompt(p) for p, _ in todo}
    prompts = {name: tuple(work.dialect.prompt_ids(asked[name])) for name in asked}
    context = max(map(len, prompts.values())) + work.config.sampling.max_tokens
    sessions = min(hosting.engine.batch_size, len(todo))
    places = asyncio.Semaphore(sessions)
    started = time.monotonic()
    with ThreadPoolExecutor(workers, thread_name_prefix="judge") as pool:

        async def one(engine: Engine, problem: Problem, run: int) -> None:
            async with places:
                completion = await _generate(
                    work, engine, prompts[problem.problem_id], f"{problem.problem_id}/{run}"
                )
            work.counts["generation_seconds"] = time.monotonic() - started
            text = _response(work.dialect, completion)
            loop = asyncio.get_running_loop()
            source = work.benchmark.extract(text.answer)
            verdict, seconds = await loop.run_in_executor(
                pool, _timed_judge, problem, source, work.limits
            )
            work.counts["judge_seconds"] += seconds
            work.counts["retried_faults"] += verdict.retried
            work.journal.append(_record(work, problem, run, completion, text.whole, verdict))
            progress.update()

        try:
            async with (
                open_engines(
                    {"student": ModelSpec(hosting.model_path, context, hosting.tensor_parallel)},
                    hosting.engine,
                    hosting.serve,
                    sessions,
                    hosting.logs,
                ) as engines,
                asyncio.TaskGroup() as tasks,
            ):
                for problem, run in todo:
                    tasks.create_task(one(engines["student"], problem, run))
        except ExceptionGroup as group:
            raise group.exceptions[0] from None


async def _generate(
    work: _Work, engine: Engine, prompt_ids: tuple[int, ...], session: str
) -> Completion:
    request = Request(
        prompt_ids=prompt_ids,
        sampling=work.config.sampling,
        max_tokens=work.config.sampling.max_tokens,
        stop_ids=work.dialect.stop_ids,
        session=session,
        seed=_seed_of(work.seed, session),
    )
    completion = await complete(engine, request)
    await engine.close_session(session)
    return completion


@dataclass(frozen=True)
class _Text:
    whole: str
    answer: str


def _response(dialect: Dialect, completion: Completion) -> _Text:
    """The response as text, thinking and markers included, without the final stop token."""
    ids = list(completion.ids)
    while ids and ids[-1] in dialect.stop_ids:
        ids.pop()
    return _Text(dialect.decode(ids), dialect.split(ids, opened=False)[1])


def _timed_judge(problem: Problem, source: str | None, limits: Limits) -> tuple[Judgement, float]:
    started = time.monotonic()
    verdict = judge(problem, source, limits)
    return verdict, time.monotonic() - started


def _record(
    work: _Work,
    problem: Problem,
    run: int,
    completion: Completion,
    response: str,
    verdict: Judgement,
) -> JudgedAnswer:
    return JudgedAnswer(
        problem_id=problem.problem_id,
        run=run,
        response=response,
        finish=_FINISHES[completion.finish],
        n_tokens=len(completion.ids),
        verdict=verdict.verdict,
        passed=verdict.passed,
        message=verdict.message,
        style=work.benchmark.style(response),
    )


def _seed_of(seed: int, session: str) -> int:
    """A seed of 63 bits that no other answer shares."""
    digest = hashlib.blake2b(f"{seed}\0{session}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def _counts(answers: Sequence[JudgedAnswer]) -> dict[str, float | int]:
    finishes: Mapping[str, int] = Counter(a.finish for a in answers)
    verdicts: Mapping[str, int] = Counter(a.verdict for a in answers)
    return {
        "answers": len(answers),
        "passed": sum(a.passed for a in answers),
        "tokens": sum(a.n_tokens for a in answers),
        **{f"finish_{name}": finishes[name] for name in _FINISHES.values()},
        **{f"verdict_{name}": verdicts[name] for name in get_args(Verdict)},
    }
