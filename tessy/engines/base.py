"""What an engine is: prompt ids in, chunks of token ids out, abortable at every chunk."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from tessy.config import SamplingConfig
from tessy.errors import EngineError

EngineFinish = Literal["stop", "length"]


@dataclass(frozen=True)
class ModelSpec:
    """A model that an engine is wanted for."""

    path: str | Path  # as `ModelConfig.path`, or a folder
    max_context: int  # longest sequence in tokens that will be asked for
    tensor_parallel: int = 1  # GPUs a replica, if a server is started for it


class Prompt(list[int]):
    """Ids of a text that only grows, such as a sample's as one model sees it, and their JSON.

    A synthesis sends a sample's whole text anew with each of its spans, about 70 times a kept
    kilotoken: what has been written as JSON once is not written again.
    """

    def __init__(self, ids: Sequence[int] = ()) -> None:
        super().__init__(ids)
        self._json = bytearray()  # of the first `_n` ids, without brackets
        self._n = 0

    def json(self) -> bytes:
        """All ids as a JSON list."""
        if self._n < len(self):
            new = _encode(self[self._n :])[1:-1]
            self._json += b"," + new if self._json else new
            self._n = len(self)
        return b"[" + self._json + b"]"


_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Request:
    """One stretch of text to generate.

    `prompt_ids` and `max_tokens` together must fit the model's context. Requests of one
    `session` follow one another and share a prefix, whose keys and values are kept. The noise of
    a token is a function of (`seed`, `session`, its index in prompt and completion), so a stretch
    that is aborted and asked for again is the same.
    """

    prompt_ids: Sequence[int]  # unchanged while the request runs
    sampling: SamplingConfig
    max_tokens: int  # of this request; `sampling.max_tokens` is the caller's business
    stop_ids: frozenset[int]
    session: str
    seed: int

    def check(self, owner: str, context: int) -> None:
        """Whether it fits the context, in tokens, of `owner`: the model's name in the message.

        Raises:
            EngineError: it does not, or asks for nothing.
        """
        n_prompt = len(self.prompt_ids)
        if not n_prompt or self.max_tokens < 1 or n_prompt + self.max_tokens > context:
            raise EngineError(
                f"a request of {n_prompt} prompt tokens and {self.max_tokens} new ones does not "
                f"fit {owner}'s context of {context}",
                "set max_tokens lower, or use a model with a longer context",
            )


@dataclass(frozen=True)
class Chunk:
    """Some generated ids; the last chunk says why it is the last. A stop id is not among them."""

    ids: tuple[int, ...]
    finish: EngineFinish | None


@dataclass(frozen=True)
class Completion:
    """All ids of a request, without the stop id that ended it."""

    ids: tuple[int, ...]
    finish: EngineFinish


class Engine(Protocol):
    """Generates tokens with one model. `counts` has requests, generated and prefilled tokens."""

    counts: Counter[str]
    kv_tokens: int  # keys and values it can hold at once, over all replicas; 0: no bound

    @property
    def in_flight(self) -> int:
        """Requests that are being served or wait for it."""
        ...

    def stream(self, request: Request, min_chunk: int = 1) -> AsyncGenerator[Chunk, None]:
        """Generate; closing the generator aborts the request.

        Args:
            request: what to generate.
            min_chunk: chunks but the last have at least so many ids; many rows that wake up for
                every token cost more than a tiny model does.

        Raises:
            EngineError: the request does not fit the context, or failed more often than allowed.
            EngineDown: nothing can be generated any more, for any request.
        """
        ...

    async def close_session(self, session: str) -> None:
        """Forget a session's keys and values."""
        ...

    async def aclose(self) -> None: ...


async def complete(engine: Engine, request: Request) -> Completion:
    """Generate to the end of the request."""
    ids: list[int] = []
    async with aclosing(engine.stream(request, min_chunk=request.max_tokens)) as chunks:
        async for chunk in chunks:
            ids += chunk.ids
            if chunk.finish is not None:
                return Completion(tuple(ids), chunk.finish)
    raise AssertionError("the last chunk of a stream says why it ended")
