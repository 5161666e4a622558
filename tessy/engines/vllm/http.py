"""Just enough HTTP/1.1 for many short streams: a connection a request, closed to abort it.

A synthesis sends about 75 requests a kept kilotoken, nearly all of which it aborts, so there is
nothing to pool, and a general client spends most of its time on what is not needed here.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

CONNECT_SECONDS = 10.0
# Closing with a reset leaves no port in TIME_WAIT: some hundred requests a second, each kept for a
# minute, would use up the ports of this machine.
_RESET = struct.pack("ii", 1, 0)


class Fault(Exception):
    """A request failed.

    Args:
        reason: one word, which names its count.
        words: what happened, in the server's words where it has any.
        passing: whether it makes sense to repeat it.
    """

    def __init__(self, reason: str, words: str, passing: bool = True) -> None:
        super().__init__(reason, words)
        self.reason = reason
        self.words = words
        self.passing = passing


@dataclass
class Address:
    """Where a server is. `ip` is found by the first connection and spares the others a look-up."""

    host: str
    port: int
    tls: bool
    path: str
    ip: str = ""

    @classmethod
    def parse(cls, url: str) -> Address:
        """The address of a base URL, which may end in /v1 as OpenAI's own do."""
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        path = parts.path.rstrip("/").removesuffix("/v1")
        return cls(parts.hostname or "", parts.port or (443 if tls else 80), tls, path)

    def head(self, method: str, path: str, key: str) -> bytes:
        """A request's head, up to the value of its Content-Length."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        lines = [f"{method} {self.path}{path} HTTP/1.1", f"Host: {host}:{self.port}"]
        lines += ["Connection: close", "Content-Type: application/json"]
        lines += [f"Authorization: Bearer {key}"] * bool(key)
        return "\r\n".join([*lines, "Content-Length: "]).encode()

    async def connect(self, exchange: Exchange) -> None:
        """Send the exchange's request.

        Raises:
            Fault: nothing accepts connections there.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                transport, _ = await loop.create_connection(
                    lambda: exchange,
                    self.ip or self.host,
                    self.port,
                    ssl=self.tls or None,
                    server_hostname=self.host if self.tls else None,
                )
        except TimeoutError:
            raise Fault("unreachable", f"no connection within {CONNECT_SECONDS:g} s") from None
        except OSError as error:
            self.ip = ""
            raise Fault("unreachable", str(error)) from None
        if peer := transport.get_extra_info("peername"):  # none if it is closed already
            self.ip = peer[0]


class ResponseReader:
    """Reads one response, however its bytes are cut; `status` is 0 until its head is read."""

    def __init__(self) -> None:
        self.status = 0
        self.done = False
        self._buffer = b""
        self._chunked = False
        self._left: int | None = None  # bytes of the body; None: until the connection closes

    def feed(self, data: bytes) -> bytes:
        """The bytes of the body that `data` completes.

        Raises:
            Fault: this is not HTTP.
        """
        self._buffer = self._buffer + data if self._buffer else data
        if self.status == 0 and not self._read_head():
            return b""
        if self._chunked:
            return self._read_chunks()
        body, self._buffer = self._buffer, b""
        if self._left is not None:
            body = body[: self._left]
            self._left -= len(body)
            self.done = self._left == 0
        return body

    def close(self) -> None:
        """The connection is closed: some bodies end with it."""
        self.done |= self.status > 0 and not self._chunked and self._left is None

    def _read_head(self) -> bool:
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return False
        status, *lines = head.split(b"\r\n")
        words = status.split(None, 2)
        if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
            raise Fault("garbled", f"the response begins with {status[:80]!r}, which is not HTTP")
        self._buffer = rest
        if words[1].startswith(b"1"):  # such as 100 Continue: the response proper follows
            return self._read_head()
        self.status = int(words[1])
        for line in lines:
            name, _, value = line.lower().partition(b":")
            if name == b"transfer-encoding":
                self._chunked = b"chunked" in value
            elif name == b"content-length" and value.strip().isdigit():
                self._left = int(value)
        return True

    def _read_chunks(self) -> bytes:
        buffer, at, pieces = self._buffer, 0, []
        while (end := buffer.find(b"\r\n", at)) >= 0:
            size = _size(buffer[at:end])
            if size == 0:  # trailers may follow, which say nothing
                self.done = True
                break
            stop = end + 2 + size
            if len(buffer) < stop + 2:
                break
            pieces.append(buffer[end + 2 : stop])
            at = stop + 2
        self._buffer = buffer[at:]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _size(line: bytes) -> int:
    try:
        return int(line.partition(b";")[0], 16)
    except ValueError:
        raise Fault("garbled", f"a chunk of the response has the size {line[:20]!r}") from None


class Exchange(asyncio.Protocol):
    """A request on a connection of its own, and its response.

    Args:
        message: the request, head and body.
        stall_seconds: without progress, after which it is given up.
    """

    def __init__(self, message: bytes, stall_seconds: float) -> None:
        self.reader = ResponseReader()
        self.body = b""  # what `take` has not used
        self.fault: Fault | None = None
        self.ended = False
        self._message = message
        self._stall = stall_seconds
        self._loop = asyncio.get_running_loop()
        self._progress = self._loop.time()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._waiter: asyncio.Future[None] | None = None

    def take(self, data: bytes) -> bool:
        """Use some bytes of the body; True if they are progress."""
        self.body += data
        return True

    def finished(self) -> None:
        """The response is complete."""

    async def end(self) -> None:
        """Wait for the end of the response.

        Raises:
            Fault: it has none.
        """
        while not self.ended:
            await self.wait()
        if self.fault is not None:
            raise self.fault

    async def wait(self) -> None:
        """Until `wake` or the end."""
        self._waiter = self._loop.create_future()
        await self._waiter

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        """Close the connection: the server gives up what it has not sent."""
        self.ended = True
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass of it
        self._progress = self._loop.time()
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.write(self._message)
        self._timer = self._loop.call_later(self._stall, self._look)

    def data_received(self, data: bytes) -> None:
        if self.ended:
            return
        try:
            body = self.reader.feed(data)
            if body and self.take(body):
                self._progress = self._loop.time()
            if self.reader.done and not self.ended:
                self.finished()
                self._stop(None)
        except Fault as fault:
            self._stop(fault)

    def connection_lost(self, error: Exception | None) -> None:
        if self.ended:
            return
        self.reader.close()
        if self.reader.done:
            try:
                self.finished()
                self._stop(None)
            except Fault as fault:
                self._stop(fault)
        else:
            words = f"the connection closed in mid-response ({error or 'end of stream'})"
            self._stop(Fault("dropped", words))

    def _look(self) -> None:
        """One timer a request, set anew only when it rings: progress just notes the time."""
        left = self._progress + self._stall - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._look)
        else:
            self._stop(Fault("stalled", f"nothing came for {self._stall:g} s"))

    def _stop(self, fault: Fault | None) -> None:
        self.fault = fault
        self.close()
        self.wake()
