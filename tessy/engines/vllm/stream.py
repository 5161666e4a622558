"""One streamed completion: server-sent events in, token ids out."""

from __future__ import annotations

from collections.abc import Set

import msgspec

from tessy.engines.base import EngineFinish
from tessy.engines.vllm.http import Exchange, Fault
from tessy.engines.vllm.protocol import decode_event, refusal, server_words, stream_fault

_LONG = 2048  # bytes; an event that is no longer is quickly decoded
_PROMPT = b'"prompt_token_ids":['


class Stream(Exchange):
    """Appends what is generated to `ids` and knows why it ended.

    Args:
        message: the request, head and body.
        stall_seconds: without a token, after which it is given up.
        ids: receives the ids, without a stop id.
        n_tokens: asked for.
        stop_ids: ids that end it.
    """

    def __init__(
        self,
        message: bytes,
        stall_seconds: float,
        ids: list[int],
        n_tokens: int,
        stop_ids: Set[int],
    ) -> None:
        super().__init__(message, stall_seconds)
        self.ids = ids
        self.finish: EngineFinish | None = None
        self._full = len(ids) + n_tokens
        self._stop_ids = stop_ids
        self._wanted = len(ids) + 1
        self._rest = b""  # of a line that has not ended

    async def more(self, length: int) -> EngineFinish | None:
        """Wait until `ids` has this length or the stream has ended; why it ended, if it has.

        Raises:
            Fault: it broke off, or was refused. `ids` has what came before.
        """
        self._wanted = length
        while len(self.ids) < length and not self.ended:
            await self.wait()
        if self.fault is not None:
            raise self.fault
        return self.finish

    def take(self, data: bytes) -> bool:
        if self.reader.status != 200:
            return super().take(data)
        lines = (self._rest + data if self._rest else data).split(b"\n")
        self._rest = lines.pop()
        before = len(self.ids)
        for line in lines:
            if line.startswith(b"data:"):
                self._event(line[5:].strip())
                if self.ended:
                    return True
        if len(self.ids) >= self._wanted:
            self.wake()
        return len(self.ids) > before

    def finished(self) -> None:
        """The response ended although no event said so."""
        status = self.reader.status
        if status != 200:
            raise refusal(status, server_words(self.body))
        words = f"the stream ended after {len(self.ids)} ids without a finish_reason"
        raise Fault("unfinished", words)

    def _event(self, data: bytes) -> None:
        if data == b"[DONE]":
            self.finished()
        try:
            event = decode_event(_without_prompt(data))
        except msgspec.DecodeError as error:
            raise Fault("garbled", f"an event is no JSON of a completion ({error})") from None
        if event.error is not None:
            raise stream_fault(event.error)
        for choice in event.choices:
            self._choice(choice.token_ids or [], choice.finish_reason, choice.stop_reason)
            if self.ended:
                return

    def _choice(self, new: list[int], reason: str | None, stop: int | str | None) -> None:
        if not self._stop_ids.isdisjoint(new):
            end = next(i for i, token in enumerate(new) if token in self._stop_ids)
            self._extend(new[:end])
            self._end("stop")
        else:
            self._extend(new)
            if stop in self._stop_ids:
                self._end("stop")
        if self.finish is None and len(self.ids) == self._full:
            self._end("length")
        elif self.finish is None and reason == "length":
            missing = self._full - len(self.ids)
            raise Fault("short", f"the server stopped {missing} ids short of those asked for")
        elif self.finish is None and reason is not None:
            # Another id ended it, or the server did: what came is kept, the rest is asked for.
            raise Fault("stopped", f"the server stopped ({reason}) at an id that ends nothing here")

    def _extend(self, new: list[int]) -> None:
        self.ids += new[: self._full - len(self.ids)]

    def _end(self, finish: EngineFinish) -> None:
        self.finish = finish
        self._stop(None)


def _without_prompt(data: bytes) -> bytes:
    """An event without the prompt's ids, which the first one repeats: 13k cost 0.1 ms to decode.

    No text can look like the field's name: JSON escapes the quotes in it.
    """
    begin = data.find(_PROMPT) if len(data) > _LONG else -1
    end = data.find(b"]", begin)
    return data if begin < 0 or end < 0 else data[: begin + len(_PROMPT)] + data[end:]
