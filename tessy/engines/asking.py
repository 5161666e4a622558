"""Ask a model many short questions; every answer is on disk before it is used."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from tessy import progress
from tessy.checkpoints import locate
from tessy.config import EngineConfig, ModelConfig, SamplingConfig, ServeConfig
from tessy.dialects import Dialect, load_dialect
from tessy.engines import Engine, ModelSpec, Request, complete, open_engines, served_elsewhere
from tessy.errors import ArtifactError, DataError, EngineError, TessyError
from tessy.journal import LineFile
from tessy.records import Message, Record, Writer, parse_line

GIVE_UP = 100  # answers of which none can be used, after which the model is useless
USABLE = "usable"

T = TypeVar("T")


@dataclass(frozen=True)
class Answer(Record):
    """What a model said to the question of that key; the text is empty if it failed."""

    key: str
    text: str
    finish: Literal["complete", "length", "failed"]
    error: str = ""


Put = Callable[[str, str], Awaitable[Answer]]  # a key and the text of a user's message


def asker(engine: Engine, dialect: Dialect, model: ModelConfig, max_tokens: int, seed: int) -> Put:
    """A model that is asked: greedy, thinking and answer within `max_tokens`."""
    sampling = SamplingConfig(temperature=0.0, max_tokens=max_tokens)

    async def put(key: str, text: str) -> Answer:
        prompt = (*dialect.prompt_ids([Message("user", text)]), *dialect.open_ids)
        room = min(max_tokens, model.context - len(prompt))
        asked = Request(prompt, sampling, room, dialect.stop_ids, key, seed)
        try:
            written = await complete(engine, asked)
        except EngineError as error:
            return Answer(key, "", "failed", str(error))
        finally:
            await engine.close_session(key)
        if written.finish == "length":
            return Answer(key, "", "length")
        return Answer(key, dialect.split(written.ids)[1], "complete")

    return put


@asynccontextmanager
async def open_asker(
    model: ModelConfig,
    role: Writer,
    engine: EngineConfig,
    serve: ServeConfig,
    max_tokens: int,
    seed: int,
    logs: Path,
) -> AsyncIterator[Put]:
    """Load a model, or reach its servers, to ask it.

    Args:
        role: whose servers it has.
        logs: folder for the logs of servers that are started here.

    Raises:
        As `open_engines` and `load_dialect`.
    """
    folder = locate(model.path, weights=not served_elsewhere(engine, serve))
    dialect = load_dialect(model.dialect, folder, model.template)
    specs = {role: ModelSpec(model.path, model.context, model.tensor_parallel)}
    async with open_engines(specs, engine, serve, engine.batch_size, logs) as engines:
        yield asker(engines[role], dialect, model, max_tokens, seed)


class Answers(LineFile):
    """The journal of what was answered.

    Raises:
        ArtifactError: it is corrupt.
        StorageError: it cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.by_key: dict[str, Answer] = {}
        for number, (_, line) in enumerate(self.earlier(), 1):
            try:
                answer = parse_line(line, Answer, f"{path}:{number}")
            except DataError as error:
                raise ArtifactError(error.what, "delete the folder to ask anew") from error
            self.by_key[answer.key] = answer

    def add(self, answer: Answer) -> None:
        self.write(json.dumps(answer.to_json(), ensure_ascii=False) + "\n")
        self.by_key[answer.key] = answer


async def ask_all(
    items: Iterable[T],
    total: int,
    ask: Callable[[T], Awaitable[Answer]],
    read: Callable[[T, Answer], str],
    useless: Callable[[Counter[str]], TessyError],
    answers: Answers,
    at_once: int,
    label: str,
    unit: str,
) -> None:
    """Ask for all items, `at_once` at a time, in their order.

    Args:
        items: those that are not answered yet; read one by one.
        total: how many there are with those that are.
        ask: asks for one of them.
        read: `USABLE`, or why an answer cannot be used.
        useless: the error of a model none of whose answers can be used, from counts of why not.
        answers: the journal, which has the answers of earlier runs.
        at_once: items in flight.
        label, unit: of the progress bar.

    Raises:
        TessyError: as `useless` has it, when none of the first answers can be used.
        EngineDown: the model cannot be reached any more.
    """
    waiting = iter(items)
    seen = Counter[str]()
    bar = progress.bar(total, label, unit, done=len(answers.by_key))

    def note(item: T, answer: Answer) -> None:
        answers.add(answer)
        bar.update()
        seen[read(item, answer)] += 1
        if seen.total() >= GIVE_UP and not seen[USABLE]:
            raise useless(seen)

    async def work() -> None:
        for item in waiting:
            note(item, await ask(item))

    with bar:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(at_once, total)):
                    group.create_task(work())
        except BaseExceptionGroup as faults:
            raise faults.exceptions[0] from None
