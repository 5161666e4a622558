"""Make the samples of one method: one coroutine a sample, then the data set."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tessy.engines.loop import run
from tessy.errors import ConfigError, DataError, nearest
from tessy.records import Question, Writer
from tessy.synthesis.cast import Setup, open_cast
from tessy.synthesis.dataset import store
from tessy.synthesis.journal import Journal
from tessy.synthesis.meter import Meter
from tessy.synthesis.methods import METHODS, Method
from tessy.synthesis.parts import Cast, Key, Sources, Task

JOURNAL = "journal.jsonl"
SERVERS = "servers"  # logs of servers that were started for it
_WRITERS: tuple[Writer, ...] = ("student", "teacher")


def synthesize(
    questions: Sequence[Question],
    samples: Sequence[Key],
    setup: Setup,
    folder: Path,
    label: str,
    sources: Sources | None = None,
) -> dict[str, float]:
    """Synthesize into `folder`; go on where an interrupted run stopped.

    Args:
        questions: the pool.
        samples: (question_id, repeat) of what to make, in the order of the result.
        setup: how; only the models that the method needs are loaded.
        folder: exists; receives trajectories.jsonl, dataset/, the journal and logs of servers.
        label: names the progress bar.
        sources: the trajectories of the methods that this one goes on from (`Needs.parents`), by
            their kind and key.

    Returns:
        Counts: samples, each way to finish, tokens generated (in the writer's tokenizer) and kept
        (in the student's) by role, thrown_away tokens, forced words, switches, requests, ...

    Raises:
        ConfigError: the method is unknown.
        DataError: a sample asks for a question that is not in the pool, or goes on from another
            method's sample that is not in the sources.
        MissingError, CheckpointError: a model is not there.
        EngineError, EngineDown: a server does not start, or answers no more.
        StorageError, ArtifactError: the folder cannot be written, its journal cannot be read.
    """
    kind = setup.method.kind
    if kind not in METHODS:
        raise ConfigError(f"method.kind={kind!r} is unknown", nearest(kind, METHODS))
    tasks = _tasks(questions, samples, setup.seed)
    _check_sources(METHODS[kind], tasks, sources or {})
    with Journal(folder / JOURNAL) as journal:
        todo = [t for t in tasks if t.key not in journal.finished]
        if todo:
            work = _make(todo, len(tasks), setup, journal, folder / SERVERS, label, sources or {})
            run(work, setup.engine)
        return _summary(store(journal, [t.key for t in tasks], folder), journal.counts)


def _tasks(questions: Sequence[Question], samples: Sequence[Key], seed: int) -> list[Task]:
    pool = {q.question_id: q for q in questions}
    missing = sorted({question_id for question_id, _ in samples} - set(pool))
    if missing:
        raise DataError(
            f"question {missing[0]!r} is to be answered but not in the pool ({len(missing)} such)",
            "make the questions and their samples anew together",
        )
    return [Task(pool[question_id], repeat, seed) for question_id, repeat in samples]


def _check_sources(method: Method, tasks: Sequence[Task], sources: Sources) -> None:
    for parent in method.parents:
        missing = [t.session for t in tasks if t.key not in sources.get(parent, {})]
        if missing:
            raise DataError(
                f"sample {missing[0]} of {parent} is to be gone on from but not there "
                f"({len(missing)} such)",
                f"synthesize {parent} first, with the same samples",
            )


async def _make(
    todo: Sequence[Task],
    total: int,
    setup: Setup,
    journal: Journal,
    logs: Path,
    label: str,
    sources: Sources,
) -> None:
    method = METHODS[setup.method.kind]
    n_sessions = min(setup.engine.batch_size, len(todo))
    async with open_cast(setup, method, n_sessions, logs, sources) as cast:
        meter = Meter(cast, total, total - len(todo), label)
        journal.meter = meter
        async with meter.running():
            await make_samples(cast, method, todo, journal, n_sessions)
    for writer, role in cast.roles.items():  # complete when the engines are closed
        journal.counts.update({f"{writer}.{k}": v for k, v in role.engine.counts.items()})
        journal.counts["requests"] += role.engine.counts["requests"]


async def make_samples(
    cast: Cast, method: Method, tasks: Sequence[Task], journal: Journal, n_sessions: int
) -> None:
    """Make samples, `n_sessions` at a time, in their order; each is in the journal when it ends.

    Raises:
        EngineDown: an engine generates no more; what is in the journal stays.
        StorageError: the disk refuses.
    """
    waiting = iter(tasks)
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(n_sessions, len(tasks))):
                group.create_task(_work(method, cast, waiting, journal))
    except BaseExceptionGroup as faults:
        raise faults.exceptions[0] from None
    journal.counts.update(cast.admission.counts)
    for writer, judge in cast.predictors.items():
        journal.counts.update({f"{writer}_predictor.{k}": v for k, v in judge.counts.items()})


async def _work(method: Method, cast: Cast, waiting: Iterator[Task], journal: Journal) -> None:
    """Make one sample after another."""
    for task in waiting:
        try:
            await method.make(cast, task, journal)
        finally:
            cast.admission.leave(task.session)
        for role in cast.roles.values():
            await role.engine.close_session(task.session)
        for judge in cast.predictors.values():
            judge.close_session(task.session)


def _summary(stored: Counter[str], counts: Counter[str]) -> dict[str, float]:
    summary = Counter(forced=0, switches=0, requests=0)
    summary.update(stored)
    summary["thrown_away"] = sum(
        counts[f"{w}_generated"] - counts[f"{w}_kept_own"] for w in _WRITERS
    )
    summary.update({k: n for k, n in counts.items() if not k.endswith("_kept_own")})
    return {k: float(n) for k, n in summary.items()}
