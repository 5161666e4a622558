"""What the methods share: who takes part, one model's generation, and the finished record."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tessy.boundary.spans import Judge
from tessy.config import MethodConfig, ModelConfig, SamplingConfig
from tessy.dialects.base import Dialect
from tessy.engines import Engine, Request
from tessy.records import Finish, Message, Question, Span, Trajectory, Writer
from tessy.repetition import repeats
from tessy.synthesis.admission import Admission

Key = tuple[str, int]  # question_id and repeat of a sample
Sources = Mapping[str, Mapping[Key, Trajectory]]  # finished samples by the kind of their method

_CHECK = 64  # a generation is checked for repetition whenever it has grown by so many tokens
_CHECKED = 1500  # tokens that are decoded for it


@dataclass(frozen=True)
class Role:
    """A model that writes."""

    writer: Writer
    model: ModelConfig
    dialect: Dialect
    engine: Engine
    texts: dict[int, str] = field(default_factory=dict)  # see `alignment.Tail`


@dataclass(frozen=True)
class Cast:
    """All that takes part in a synthesis; only what its method needs is there."""

    method: MethodConfig
    sampling: SamplingConfig
    counter: Dialect  # the student's: whoever writes, tokens are counted with it (paper, fig. 12)
    roles: Mapping[Writer, Role]
    predictors: Mapping[Writer, Judge]
    versions: Mapping[str, str]
    seed: int
    streams: bool  # whether spans are cut while they are written, or drafts of k tokens after
    admission: Admission
    sources: Sources = field(default_factory=dict)  # of `Needs.parents`

    @cached_property
    def places(self) -> dict[Key, int]:
        """The place of each sample of the sources in an order that the seed shuffles."""
        keys = {key for trajectories in self.sources.values() for key in trajectories}
        ordered = sorted(keys, key=lambda key: (noise_seed(self.seed, key, "place"), key))
        return {key: place for place, key in enumerate(ordered)}


@dataclass(frozen=True)
class Task:
    """One sample to make."""

    question: Question
    repeat: int
    seed: int

    @property
    def key(self) -> Key:
        return self.question.question_id, self.repeat

    @property
    def session(self) -> str:
        return f"{self.question.question_id}#{self.repeat}"

    @property
    def messages(self) -> tuple[Message, ...]:
        return (Message("user", self.question.prompt),)

    @cached_property
    def seeds(self) -> dict[str, int]:
        """Noise seeds by role, 48 bits: the sample's text depends on them, not on its company."""
        return {role: self.seed_of(role) for role in ("student", "teacher", "answer")}

    def seed_of(self, role: str) -> int:
        return noise_seed(self.seed, self.key, role)


def noise_seed(seed: int, key: Key, purpose: str) -> int:
    """48 bits that the run's seed, the sample and the purpose decide."""
    name = f"{seed}\0{key[0]}\0{key[1]}\0{purpose}"
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=6).digest(), "big")


@dataclass(frozen=True)
class Written:
    """What one model wrote in one go."""

    ids: tuple[int, ...]
    finish: Finish
    generated: int  # tokens, the stop token included


async def write(
    role: Role, cast: Cast, task: Task, prompt: Sequence[int], seed: int, limit: int
) -> Written:
    """Let one model write until it ends its response, `limit` tokens or its context at most."""
    room = min(limit, role.model.context - len(prompt))
    request = Request(tuple(prompt), cast.sampling, room, role.dialect.stop_ids, task.session, seed)
    ids: list[int] = []
    checked = 0
    async with aclosing(role.engine.stream(request, min_chunk=_CHECK)) as chunks:
        async for chunk in chunks:
            ids += chunk.ids
            while checked + _CHECK <= len(ids):
                checked += _CHECK
                if repeats(role.dialect.decode(ids[max(0, checked - _CHECKED) : checked])):
                    return Written(tuple(ids[:checked]), "degenerate", len(ids))
            if chunk.finish == "length":
                return Written(tuple(ids), "length", len(ids))
    return Written(tuple(ids), "complete", len(ids) + 1)


def trajectory(
    cast: Cast,
    task: Task,
    spans: Sequence[Span],
    finish: Finish,
    generated: Mapping[str, int],
    seconds: float,
    reused: Sequence[Span] = (),
    metadata: Mapping[str, Any] | None = None,
) -> Trajectory:
    """The finished record.

    Args:
        generated: tokens by role, counted with the role's own tokenizer; what an engine generated
            before it learned of a cut depends on timing, as `seconds` does.
        reused: those of the spans that another method's sample had.
        metadata: as in the record.
    """
    tokens: Counter[str] = Counter()
    for writer in cast.roles:
        tokens[f"{writer}_generated"] = generated.get(writer, 0)
        tokens[f"{writer}_kept"] = 0
    for span in spans:
        tokens[f"{span.writer}_kept"] += span.n_tokens
    for span in reused:
        tokens[f"{span.writer}_reused"] += span.n_tokens
    return Trajectory(
        question_id=task.question.question_id,
        repeat=task.repeat,
        method=cast.method.name,
        messages=task.messages,
        spans=tuple(spans),
        finish=finish,
        tokens=dict(tokens),
        seconds=seconds,
        seeds=dict(task.seeds),
        versions=dict(cast.versions),
        metadata=dict(metadata or {}),
    )


def samples(asked: Sequence[Question], count: int) -> list[Key]:
    """The keys (question, repeat) of `count` samples, spread evenly over the questions.

    Paper, section 4.1: 80k samples of 37k unique questions, so a question may be answered
    several times.
    """
    return [(asked[i % len(asked)].question_id, i // len(asked)) for i in range(count)]
