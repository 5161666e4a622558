"""How many tokens a server sends, and how large the chunks are that it is asked for accordingly.

What is generated between a boundary and its discovery is thrown away, so small chunks are better,
until the front end of the server, which sends one after the other, is late with all of them. It
takes about 0.1 ms for each, so 4,000 a second keep it busy half the time.
"""

from __future__ import annotations

from collections.abc import Callable

MAX_CHUNK = 64  # tokens at most: a long silence looks like a stall
_CHUNKS = 4000  # a second
_SECONDS = 1.0  # over which tokens are counted at least


class Load:
    """Of one server.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since, self._tokens = clock(), 0
        self._rate = 0.0  # tokens a second

    def add(self, tokens: int) -> None:
        """Count what a request brought."""
        self._tokens += tokens
        now = self._clock()
        if now - self._since >= _SECONDS:
            self._rate = self._tokens / (now - self._since)
            self._since, self._tokens = now, 0

    def chunk(self, configured: int, min_chunk: int) -> int:
        """Tokens a chunk.

        Args:
            configured: `serve.stream_interval`; 0: as few as the server can send.
            min_chunk: tokens that are waited for in any case.
        """
        wanted = configured or 1 + int(self._rate / _CHUNKS)
        return min(max(wanted, min_chunk), max(configured, MAX_CHUNK))
