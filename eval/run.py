"""The evaluation stage: generate answers, run their programs in the sandbox, journal verdicts.

Programs are judged in worker threads while the engine generates. Every judged answer is journaled,
so that the same call goes on where a killed one ended.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eval.answers import counts, finish_of, list_unjudged, not_asked, record
from eval.benchmarks import Benchmark, Unjudged, find_benchmark
from eval.journal import Journal
from eval.judge.sandbox import check_isolation
from eval.judge.spec import Judgement
from tessy.config import BenchmarkConfig, EngineConfig, JudgeConfig, ModelConfig, ServeConfig
from tessy.dialects import load_dialect
from tessy.dialects.base import Dialect
from tessy.engines import ModelSpec, open_engines
from tessy.engines.base import Completion, Engine, Request, complete
from tessy.engines.loop import run as run_loop
from tessy.errors import ArtifactError, DataError
from tessy.progress import bar
from tessy.records import ANSWERS, Problem, with_system

UNJUDGED = "unjudged.jsonl"  # problems that cannot be judged, and why
SERVERS = "servers"  # logs of servers that were started for it


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
    unjudged: Sequence[Unjudged] = (),
    system: str = "",
) -> dict[str, float | int]:
    """Answer every problem `benchmark.runs` times and judge the answers.

    Writes `folder/answers.jsonl`: a `JudgedAnswer` a line, in the order of (problem, run), the same
    bytes however often the evaluation was interrupted. A problem that cannot be judged is not
    asked; if its benchmark counts it, its answers are recorded as faults of the judge.

    Args:
        model_path: folder of the weights: of `model` itself, or of a model trained from it.
        serve: where the engine's servers come from; what they log goes to `folder`/servers.
        seed: with the problem's id and the run it determines the noise of an answer.
        label: what the progress bar says.
        unjudged: problems that cannot be judged; `folder/unjudged.jsonl` lists them.
        system: system prompt that the model was trained with (paper, figure 10).

    Returns:
        Counts: `problems` in the score, `unjudged_counted` among them, `unjudged_left_out`,
        `answers`, `passed`, `tokens`, `finish_NAME` and `verdict_NAME` for each, and of
        this call alone `generated`, `retried_faults`, `discarded_lines`, `generation_seconds`
        (the clock, until the last answer was generated) and `judge_seconds` (summed over workers).

    Raises:
        SandboxError: programs cannot be isolated on this machine.
        MissingError: the kind of benchmark cannot be evaluated.
        DataError: there is no problem that can be judged.
        ArtifactError: the journal in `folder` belongs to other problems.
        StorageError: the disk refuses.
    """
    found = find_benchmark(benchmark.kind)
    if found.needs_sandbox:
        check_isolation()
    if not problems:
        raise DataError(
            f"no problem of benchmark {benchmark.name} can be judged "
            f"({unjudged[0].reason if unjudged else 'it has none'})",
            f"mend its data, or set benchmarks.{benchmark.name}.path to a copy of it",
        )
    counted = [u for u in unjudged if u.counts]
    names = [p.problem_id for p in problems] + [u.problem_id for u in counted]
    order = [(name, run) for name in names for run in range(benchmark.runs)]
    with Journal(folder / ANSWERS) as journal:
        strangers = journal.answers.keys() - set(order)
        if strangers:
            raise ArtifactError(
                f"{journal.path} has answers to other problems or runs ({min(strangers)})",
                "delete the folder, or evaluate into another one",
            )
        list_unjudged(folder / UNJUDGED, unjudged)
        for problem in counted:
            for run in range(benchmark.runs):
                if (problem.problem_id, run) not in journal.answers:
                    journal.append(not_asked(problem, run))
        work = _Work(
            dialect=load_dialect(model.dialect, model_path, model.template),
            benchmark=found,
            config=benchmark,
            judge=judge,
            seed=seed,
            journal=journal,
            system=system,
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
                run_loop(_answer_all(work, todo, hosting, judge.workers, progress), engine)
        journal.finish(order)
        return (
            counts([journal.answers[key] for key in order])
            | work.counts
            | {
                "problems": len(names),
                "unjudged_counted": len(counted),
                "unjudged_left_out": len(unjudged) - len(counted),
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
    judge: JudgeConfig
    seed: int
    journal: Journal
    system: str
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
    asked = {p.problem_id: with_system(work.benchmark.prompt(p), work.system) for p, _ in todo}
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
            verdict, seconds = await loop.run_in_executor(
                pool, _timed_judge, work, problem, text.answer
            )
            work.counts["judge_seconds"] += seconds
            work.counts["retried_faults"] += verdict.retried
            style = work.benchmark.style(text.whole)
            finish, n_tokens = finish_of(completion, text.whole), len(completion.ids)
            answer = record(problem, run, finish, n_tokens, text.whole, verdict, style)
            work.journal.append(answer)
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


def _timed_judge(work: _Work, problem: Problem, answer: str) -> tuple[Judgement, float]:
    started = time.monotonic()
    extracted = work.benchmark.extract(problem, answer)
    verdict = work.benchmark.judge(problem, extracted, work.judge)
    return verdict, time.monotonic() - started


def _seed_of(seed: int, session: str) -> int:
    """A seed of 63 bits that no other answer shares."""
    digest = hashlib.blake2b(f"{seed}\0{session}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
