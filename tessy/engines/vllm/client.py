"""One server: requests to it, and what of its words may be shown."""

from __future__ import annotations

from collections.abc import Set

from tessy.engines.vllm.http import Address, Exchange, Fault
from tessy.engines.vllm.stream import Stream

FETCH_SECONDS = 30.0  # for what a server answers without generating


class Client:
    """Sends requests to one server.

    Args:
        url: base URL, as it is shown.
        key: API key; empty: none. It appears in no message.
        stall_seconds: without a token, after which a stream is given up.
    """

    def __init__(self, url: str, key: str, stall_seconds: float) -> None:
        self.url = url
        self._key = key
        self.stall_seconds = stall_seconds
        self._address = Address.parse(url)
        self._completions = self._address.head("POST", "/v1/completions", key)

    async def stream(
        self, body: bytes, ids: list[int], n_tokens: int, stop_ids: Set[int]
    ) -> Stream:
        """Begin a streamed completion, see `Stream`; closing it is up to the caller.

        Raises:
            Fault: the server is not there.
        """
        message = b"%s%d\r\n\r\n%s" % (self._completions, len(body), body)
        stream = Stream(message, self.stall_seconds, ids, n_tokens, stop_ids)
        await self._address.connect(stream)
        return stream

    async def fetch(
        self, method: str, path: str, body: bytes = b"", seconds: float = FETCH_SECONDS
    ) -> tuple[int, bytes]:
        """Status and body of a whole response.

        Raises:
            Fault: there is none.
        """
        head = self._address.head(method, path, self._key)
        exchange = Exchange(b"%s%d\r\n\r\n%s" % (head, len(body), body), seconds)
        try:
            await self._address.connect(exchange)
            await exchange.end()
        finally:
            exchange.close()
        return exchange.reader.status, exchange.body

    def shown(self, words: str) -> str:
        """Words of the server as they may be shown: some servers repeat what they were sent."""
        return words.replace(self._key, "***") if self._key else words

    def describe(self, fault: Fault) -> str:
        return self.shown(f"{self.url}: {fault.words}")
