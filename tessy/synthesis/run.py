"""Make the samples of one method: load who takes part, run the coroutines, write the data set."""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from tessy import progress
from tessy.boundary.predict import Predictor, open_predictor
from tessy.checkpoints import locate
from tessy.config import (
    EngineConfig,
    MethodConfig,
    ModelConfig,
    PredictorConfig,
    SamplingConfig,
    ServeConfig,
)
from tessy.dialects import load_dialect
from tessy.engines import ModelSpec, open_engines
from tessy.errors import ConfigError, DataError, TessyError, nearest
from tessy.journal import refused, replace_lines
from tessy.records import Question, Trajectory, Writer, dump_line
from tessy.synthesis.journal import Journal
from tessy.synthesis.methods import METHODS, Method
from tessy.synthesis.parts import Cast, Role, Task

TRAJECTORIES = "trajectories.jsonl"
DATASET = "dataset"
JOURNAL = "journal.jsonl"
SERVERS = "servers"  # logs of servers that were started for it


def synthesize(
    questions: Sequence[Question],
    samples: Sequence[tuple[str, int]],
    method: MethodConfig,
    student: ModelConfig,
    teacher: ModelConfig,
    predictor: PredictorConfig,
    engine: EngineConfig,
    serve: ServeConfig,
    sampling: SamplingConfig,
    seed: int,
    folder: Path,
    label: str,
) -> dict[str, float]:
    """Synthesize into `folder`; go on where an interrupted run stopped.

    Args:
        questions: the pool.
        samples: (question_id, repeat) of what to make, in the order of the result.
        method: how, and its k and final answer.
        student, teacher, predictor: only those that the method needs are loaded.
        engine: who generates; `batch_size` samples are in flight.
        serve: where its servers come from; what they log goes to `folder`/servers.
        sampling: for all; `max_tokens` bounds thinking and answer in the student's tokens.
        seed: with a sample's key it determines the sample's text.
        folder: exists; receives trajectories.jsonl, dataset/ and the journal.
        label: names the progress bar.

    Returns:
        Counts: samples, each way to finish, tokens generated (in the writer's tokenizer) and kept
        (in the student's) by role, thrown_away tokens, forced words, switches, requests, ...

    Raises:
        ConfigError: the method is unknown.
        DataError: a sample asks for a question that is not in the pool.
        MissingError, CheckpointError: a model is not there.
        StorageError, ArtifactError: the folder cannot be written, its journal cannot be read.
    """
    if method.kind not in METHODS:
        raise ConfigError(f"method.kind={method.kind!r} is unknown", nearest(method.kind, METHODS))
    tasks = _tasks(questions, samples, seed)
    with Journal(folder / JOURNAL) as journal:
        todo = [t for t in tasks if t.key not in journal.trajectories]
        counts = Counter(journal.counts)
        if todo:
            models: dict[Writer, ModelConfig] = {"student": student, "teacher": teacher}
            bar = progress.bar(len(tasks), label, "samples", done=len(tasks) - len(todo))
            with bar:
                counts = asyncio.run(
                    _make(
                        todo,
                        method,
                        models,
                        predictor,
                        engine,
                        serve,
                        sampling,
                        seed,
                        journal,
                        bar,
                    )
                )
    done = [journal.trajectories[t.key] for t in tasks]
    try:
        _store(done, folder)
    except OSError as error:
        if isinstance(error, TessyError):
            raise
        raise refused(folder, error) from error
    return _summary(done, counts)


def _tasks(
    questions: Sequence[Question], samples: Sequence[tuple[str, int]], seed: int
) -> list[Task]:
    pool = {q.question_id: q for q in questions}
    missing = sorted({question_id for question_id, _ in samples} - set(pool))
    if missing:
        raise DataError(
            f"question {missing[0]!r} is to be answered but not in the pool ({len(missing)} such)",
            "make the questions and their samples anew together",
        )
    return [Task(pool[question_id], repeat, seed) for question_id, repeat in samples]


async def _make(
    todo: Sequence[Task],
    config: MethodConfig,
    models: Mapping[Writer, ModelConfig],
    predictor: PredictorConfig,
    engine: EngineConfig,
    serve: ServeConfig,
    sampling: SamplingConfig,
    seed: int,
    journal: Journal,
    bar: Any,
) -> Counter[str]:
    """Make the samples, `engine.batch_size` at a time in their order; return all counts."""
    method = METHODS[config.kind]
    waiting = iter(todo)
    n_rows = min(engine.batch_size, len(todo))
    logs = journal.path.parent / SERVERS
    async with _cast(
        method, config, models, predictor, engine, serve, sampling, seed, n_rows, logs
    ) as cast:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(n_rows):
                    group.create_task(_work(method, cast, waiting, journal, bar))
        except BaseExceptionGroup as faults:
            raise faults.exceptions[0] from None
        counts = Counter(journal.counts)
        for writer, role in cast.roles.items():
            counts.update({f"{writer}.{k}": v for k, v in role.engine.counts.items()})
            counts["requests"] += role.engine.counts["requests"]
        for writer, reader in cast.predictors.items():
            counts.update({f"{writer}_predictor.{k}": v for k, v in reader.counts.items()})
        return counts


async def _work(
    method: Method, cast: Cast, waiting: Iterator[Task], journal: Journal, bar: Any
) -> None:
    """Make one sample after another."""
    for task in waiting:
        await method.make(cast, task, journal)
        for role in cast.roles.values():
            await role.engine.close_session(task.session)
        for reader in cast.predictors.values():
            reader.close_session(task.session)
        bar.update()


@asynccontextmanager
async def _cast(
    method: Method,
    config: MethodConfig,
    models: Mapping[Writer, ModelConfig],
    predictor: PredictorConfig,
    engine: EngineConfig,
    serve: ServeConfig,
    sampling: SamplingConfig,
    seed: int,
    n_rows: int,
    logs: Path,
) -> AsyncIterator[Cast]:
    """Load the models that the method needs. The student's tokenizer counts in any case."""
    dialects = {
        w: load_dialect(m.dialect, locate(m.path), m.template)
        for w, m in models.items()
        if w == "student" or w in method.writers
    }
    for writer in method.writers if method.predictors else ():
        if not dialects[writer].thinks:
            raise ConfigError(
                f"method {config.name} has the {writer} think, but the chat template of "
                f"{models[writer].name} ends its thinking before it begins",
                f"set {writer}.template.enable_thinking=true",
            )
    roles: dict[Writer, Role] = {}
    predictors: dict[Writer, Predictor] = {}
    async with AsyncExitStack() as stack:
        specs = {w: ModelSpec(m.path, m.context, m.tensor_parallel) for w, m in models.items()}
        engines = await stack.enter_async_context(
            open_engines({w: specs[w] for w in method.writers}, engine, serve, n_rows, logs)
        )
        for writer in method.writers:
            roles[writer] = Role(writer, models[writer], dialects[writer], engines[writer])
            if method.predictors:
                path = predictor.student if writer == "student" else predictor.teacher
                predictors[writer] = await stack.enter_async_context(
                    open_predictor(path, predictor.device, n_rows)
                )
        yield Cast(config, sampling, dialects["student"], roles, predictors, seed, _versions())


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in ("torch", "transformers")}


def _store(done: Sequence[Trajectory], folder: Path) -> None:
    """Write the trajectories as JSON lines and as a `datasets` folder, each in one rename."""
    import datasets

    replace_lines(folder / TRAJECTORIES, (dump_line(t) for t in done))
    target, making = folder / DATASET, folder / f"{DATASET}.partial"
    shutil.rmtree(making, ignore_errors=True)
    datasets.disable_progress_bars()
    datasets.Dataset.from_list([_row(t) for t in done]).save_to_disk(making)
    datasets.enable_progress_bars()
    shutil.rmtree(target, ignore_errors=True)
    making.replace(target)


def _row(done: Trajectory) -> dict[str, Any]:
    """A trajectory as a row: mappings as JSON text, since their keys differ between methods."""
    row = done.to_json()
    return row | {k: json.dumps(row[k]) for k in ("tokens", "seeds", "versions")}


def _summary(done: Sequence[Trajectory], counts: Counter[str]) -> dict[str, float]:
    summary: Counter[str] = Counter(samples=len(done), complete=0, length=0, degenerate=0, failed=0)
    summary.update(forced=0, switches=0, requests=0)
    for t in done:
        summary[t.finish] += 1
        summary.update({k: n for k, n in t.tokens.items() if k.endswith("_kept")})
    thrown = sum(counts[f"{w}_generated"] - counts[f"{w}_kept_own"] for w in ("student", "teacher"))
    summary["thrown_away"] = thrown
    summary.update({k: n for k, n in counts.items() if not k.endswith("_kept_own")})
    return {k: float(n) for k, n in summary.items()}
