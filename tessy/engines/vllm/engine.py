"""The engine for vLLM over HTTP: streams, repeats what failed, and spreads it over replicas."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from tqdm import tqdm

from tessy.config import ServeConfig
from tessy.engines.base import Chunk, EngineFinish, Request
from tessy.engines.vllm.checks import Wanted, cache_metrics, check_server, wanted
from tessy.engines.vllm.client import Client
from tessy.engines.vllm.http import Fault
from tessy.engines.vllm.protocol import body, chunk_interval
from tessy.engines.vllm.replicas import Replica, Replicas, pause
from tessy.engines.vllm.stream import Stream
from tessy.errors import ConfigError, EngineDown, EngineError
from tessy.records import Writer

# Faults that say nothing about the next request: the server works.
_HOPELESS = 8  # requests given up in a row: the fault is the server's, not the samples'
_HARMLESS = ("short", "stopped", "http_400", "http_413", "http_422")


async def connect(
    role: Writer, path: str, folder: Path, max_context: int, urls: Sequence[str], serve: ServeConfig
) -> VllmEngine:
    """An engine over the servers of a role, all of them checked.

    Args:
        role: names the servers in messages.
        path: the model's, as configured.
        folder: its checkpoint, whose tokenizer the servers must have.
        max_context: longest sequence in tokens that will be asked for.
        urls: base URL of each replica.
        serve: patience and the API key's variable.

    Raises:
        ConfigError: the key's variable is not set.
        CheckpointError: the tokenizer cannot be read.
        EngineDown: a server does not answer.
        EngineError: a server is not what it must be.
    """
    want = wanted(role, path, folder, max_context)
    clients = [Client(url, _key(serve), serve.stall_seconds) for url in urls]
    replicas = await asyncio.gather(*(_open(client, want) for client in clients))
    return VllmEngine(replicas, want, serve)


async def _open(client: Client, want: Wanted) -> Replica:
    try:
        facts = await check_server(client, want)
    except Fault as fault:
        raise EngineDown(
            f"{want.role} server {client.describe(fault)}",
            f"start it, or correct serve.{want.role}.urls",
        ) from None
    if facts.unsaid:
        said = " and ".join(facts.unsaid)
        warning = f"Note: {want.role} server {client.url} does not say {said}; not checked."
        tqdm.write(warning, file=sys.stderr)
    return Replica(client, facts)


def _key(serve: ServeConfig) -> str:
    variable = serve.key_variable
    if variable and not os.environ.get(variable):
        raise ConfigError(
            f"serve.key_variable={variable!r} names an environment variable that is not set",
            "set it to the servers' API key, or serve.key_variable='' where they need none",
        )
    return os.environ[variable] if variable else ""


class VllmEngine:
    """Generates over HTTP.

    `counts` has requests (a repetition is one too), generated_tokens (stop ids included),
    prefill_tokens (ids of the prompts that were sent, cached or not), aborted, retries and
    retried_<reason>, moved_sessions, lost_replicas, unchecked_servers (that do not say all that is
    checked), and after `aclose` cached_tokens: those that servers found in their prefix caches,
    for whoever used them meanwhile.
    """

    def __init__(self, replicas: Sequence[Replica], want: Wanted, serve: ServeConfig) -> None:
        self.counts: Counter[str] = Counter()
        self.counts["unchecked_servers"] += sum(r.unsaid for r in replicas)
        self.kv_tokens = sum(serve.kv_tokens or r.kv_tokens for r in replicas)
        self._replicas = Replicas(replicas, want, serve.patience_seconds, self.counts)
        self._want, self._serve = want, serve
        self._in_flight = 0
        self._hopeless = 0  # requests that were given up since any server sent a token

    @property
    def in_flight(self) -> int:
        return self._in_flight

    async def stream(self, request: Request, min_chunk: int = 1) -> AsyncGenerator[Chunk, None]:
        """See `tessy.engines.base.Engine.stream`."""
        request.check(self._want.role, self._want.max_context)
        self._in_flight += 1
        try:
            ids: list[int] = []  # all that was received, over the repetitions of the request
            handed = failures = 0
            while True:
                before = len(ids)
                replica = await self._replicas.take(request.session)
                try:
                    stream = await self._send(replica, request, ids, min_chunk)
                    try:
                        finish: EngineFinish | None = None
                        while finish is None:
                            finish = await stream.more(handed + min_chunk)
                            chunk, handed = tuple(ids[handed:]), len(ids)
                            self._hopeless = 0
                            yield Chunk(chunk, finish)
                        return
                    finally:
                        self._close(stream, len(ids) - before)
                except Fault as fault:
                    failures = failures + 1 if len(ids) == before else 0
                    self._note(replica, fault, failures)
                if failures:
                    await asyncio.sleep(pause(failures))
        finally:
            self._in_flight -= 1

    async def close_session(self, session: str) -> None:
        self._replicas.release(session)

    async def aclose(self) -> None:
        await self._replicas.aclose()
        for replica in self._replicas.all:
            try:
                cache = await cache_metrics(replica.client)
            except Fault:
                continue  # it is gone, and its count with it
            if cache is not None:
                self.counts["cached_tokens"] += cache.hits - replica.hits

    async def _send(
        self, replica: Replica, request: Request, ids: list[int], min_chunk: int
    ) -> Stream:
        """Ask for what is missing after the ids that are there."""
        prompt = (*request.prompt_ids, *ids) if ids else request.prompt_ids
        n_tokens = request.max_tokens - len(ids)
        load = self._in_flight / self._replicas.n_healthy
        interval = chunk_interval(self._serve.stream_interval, load, min_chunk)
        self.counts["requests"] += 1
        self.counts["prefill_tokens"] += len(prompt)
        return await replica.client.stream(
            body(request, replica.model, prompt, n_tokens, interval),
            ids,
            n_tokens,
            request.stop_ids,
        )

    def _close(self, stream: Stream, n_ids: int) -> None:
        self.counts["aborted"] += not stream.ended
        self.counts["generated_tokens"] += n_ids + (stream.finish == "stop")
        stream.close()

    def _note(self, replica: Replica, fault: Fault, failures: int) -> None:
        """Count a failed request; raise if it is not to be repeated."""
        words = replica.client.describe(fault)
        if fault.reason not in _HARMLESS:
            self._replicas.doubt(replica, words)
        if not fault.passing:
            raise EngineError(
                f"{self._want.role} server {words}", "see what the server's log says about it"
            )
        if failures > self._serve.retries:
            self._hopeless += 1
            if self._hopeless >= _HOPELESS:
                raise EngineDown(
                    f"{_HOPELESS} requests failed {failures} times each without a token between "
                    f"them, at last at {self._want.role} server {words}",
                    "see the server's log; the same command goes on when it works again",
                )
            raise EngineError(
                f"a request failed {failures} times in a row, at last at {self._want.role} server "
                f"{words}",
                "see the server's log, or raise serve.retries",
            )
        self.counts["retries"] += 1
        self.counts[f"retried_{fault.reason}"] += 1
