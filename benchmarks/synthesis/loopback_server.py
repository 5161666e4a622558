"""Both servers of the scripted world as one process that speaks vLLM's HTTP on loopback.

It streams the scripted tokens at a steady pace, as `/v1/completions` of vLLM does with
`return_token_ids`: server-sent events in a chunked response, the prompt's ids in the first of them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.synthesis.world import CONTEXT, World
from tessy.config import SamplingConfig
from tessy.engines import Request
from tessy.records import Writer

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_METRICS = (
    'vllm:cache_config_info{enable_prefix_caching="True",kv_cache_size_tokens="2000000"} 1.0\n'
    "vllm:prefix_cache_hits_total 0.0\n"
)


def serve(
    folder: Path,
    n_samples: int,
    scale: float,
    token_seconds: float,
    ports: Connection,
    exchange: type[Exchange],
) -> None:
    """Run until the process is ended. `ports` is sent the port of each role.

    Args:
        folder: of the world's tokenizers.
        n_samples, scale: of the world.
        token_seconds: between two tokens of a row.
        exchange: how a connection is answered.
    """
    asyncio.run(_serve(World(folder, n_samples, scale), token_seconds, ports, exchange))


async def _serve(
    world: World, token_seconds: float, ports: Connection, exchange: type[Exchange]
) -> None:
    loop = asyncio.get_running_loop()
    streams: dict[Exchange, Iterator[bytes]] = {}
    found: dict[Writer, int] = {}
    for writer in world.models:
        scripted = Scripted(world, writer)
        server = await loop.create_server(
            lambda scripted=scripted: exchange(scripted, streams),  # type: ignore[misc]
            "127.0.0.1",
            0,
        )
        found[writer] = server.sockets[0].getsockname()[1]
    ports.send(found)
    while True:
        await asyncio.sleep(token_seconds)
        for answered, events in list(streams.items()):
            event = next(events, None)
            if event is None:
                answered.end()
            elif event:
                answered.send(event)


class Scripted:
    """What one role's server answers."""

    def __init__(self, world: World, writer: Writer) -> None:
        self._world, self._writer = world, writer
        prompts = {s: ids[writer] for s, ids in world.prompts.items()}
        self._length = min(map(len, prompts.values()))
        self._sessions = {ids[: self._length]: s for s, ids in prompts.items()}

    def fetch(self, path: str, body: bytes) -> bytes:
        if path == "/metrics":
            return _METRICS.encode()
        if path == "/tokenize":
            tokenizer = self._world.dialects[self._writer].tokenizer
            ids = tokenizer.encode(json.loads(body)["prompt"], add_special_tokens=False)
            return json.dumps({"tokens": ids}).encode()
        name = self._world.models[self._writer].path
        card = {"id": name, "object": "model", "root": name, "max_model_len": CONTEXT}
        return json.dumps({"object": "list", "data": [card]}).encode()

    def session(self, prompt: tuple[int, ...]) -> str | None:
        """The sample of which it is the beginning."""
        return self._sessions.get(prompt[: self._length])

    def events(self, body: bytes) -> Iterator[bytes]:
        """One for each token of the row: an event if a chunk is due after it, else nothing."""
        data = json.loads(body)
        prompt = tuple(data["prompt"])
        session = self.session(prompt)
        if session is None:  # a probe
            yield _event(data, [0], prompt, "length", None)
            return
        stops = frozenset(data["stop_token_ids"])
        request = Request(prompt, SamplingConfig(), data["max_tokens"], stops, session, 0)
        script = self._world.script(self._writer, request)
        sent = 0
        for n in range(1, len(script.ids) + 1):
            last = n == len(script.ids) and not script.stops
            if last or n == 1 or n - sent >= data["stream_interval"]:
                finish = "length" if last else None
                yield _event(data, script.ids[sent:n], () if sent else prompt, finish, None)
                sent = n
            else:
                yield b""
        if script.stops:
            dialect = self._world.dialects[self._writer]
            stop = dialect.end_think_id
            stop = stop if stop in stops else next(iter(stops))
            yield _event(data, [*script.ids[sent:], stop], () if sent else prompt, "stop", stop)


def _event(
    data: Any, ids: Any, prompt: tuple[int, ...], finish: str | None, stop: int | None
) -> bytes:
    choice = {
        "index": 0,
        "text": " abcde" * len(ids),
        "logprobs": None,
        "finish_reason": finish,
        "stop_reason": stop,
        "token_ids": list(ids),
        "prompt_logprobs": None,
        "prompt_token_ids": prompt or None,
    }
    event = {"id": "cmpl-0123456789abcdef", "object": "text_completion", "created": 1700000000}
    event |= {"model": data["model"], "choices": [choice], "usage": None}
    written = json.dumps(event, separators=(",", ":"))  # as vLLM writes it
    return b"data: %s\n\n" % written.encode()


class Exchange(asyncio.Protocol):
    """One connection with one request."""

    def __init__(self, scripted: Scripted, streams: dict[Exchange, Iterator[bytes]]) -> None:
        self._scripted, self._streams = scripted, streams
        self._received = bytearray()
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._received[:end].decode().split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in head[1:])
        body = bytes(self._received[end + 4 :])
        if len(body) < int(fields.get("content-length", 0)):
            return
        path = head[0].split(" ")[1]
        if path == "/v1/completions":
            self.complete(body)
        else:
            answer = self._scripted.fetch(path, body)
            length = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer)
            self._transport.write(length + answer)
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._streams.pop(self, None)

    def complete(self, body: bytes) -> None:
        """Begin the stream of a completion."""
        self._transport.write(_HEAD)
        self._streams[self] = self._scripted.events(body)

    def send(self, event: bytes) -> None:
        self._transport.write(b"%x\r\n%s\r\n" % (len(event), event))

    def end(self) -> None:
        self._streams.pop(self, None)
        self.send(b"data: [DONE]\n\n")
        self._transport.write(b"0\r\n\r\n")
        self._transport.close()
