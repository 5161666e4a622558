"""What goes over the wire: bodies of /v1/completions and the events of its stream.

Field names are those of vLLM's OpenAI-compatible server (0.10.2 and later return token ids).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec

from tessy.config import SamplingConfig
from tessy.engines.base import Prompt, Request
from tessy.engines.vllm.http import Fault

MAX_INTERVAL = 64  # tokens a streamed event at most: a long silence looks like a stall
_FEW, _ROWS = 60, 64  # requests at a replica: `chunk_interval`

_encode = msgspec.json.Encoder().encode


class Choice(msgspec.Struct):
    """A part of a completion. A stop id is the last of `token_ids` on vLLM, absent elsewhere."""

    token_ids: list[int] | None = None
    finish_reason: str | None = None
    stop_reason: int | str | None = None


class Problem(msgspec.Struct):
    """An error that the server found after its response had begun."""

    message: str = ""
    code: int | str | None = None


class Event(msgspec.Struct):
    """One event of the stream."""

    choices: list[Choice] = []
    error: Problem | str | None = None


decode_event = msgspec.json.Decoder(Event).decode


def body(
    request: Request, model: str, prompt: Sequence[int], n_tokens: int, interval: int
) -> bytes:
    """The body of a request for `n_tokens` more after `prompt`.

    Args:
        request: its sampling, stop ids, session and seed.
        model: the server's name for its model.
        prompt: ids, at least those of the request.
        n_tokens: to generate at most.
        interval: tokens an event, `chunk_interval`; the first and the last event come at once.
    """
    seed = noise_seed(request.seed, request.session, len(prompt))
    own = b'{"prompt":%s,"max_tokens":%d,"seed":%d,"stream_interval":%d,' % (
        prompt.json() if isinstance(prompt, Prompt) else _encode(prompt),
        n_tokens,
        seed,
        interval,
    )
    return own + _rest(model, request.sampling, request.stop_ids)


def chunk_interval(configured: int, in_flight: float, min_chunk: int) -> int:
    """Tokens an event: what is configured, else as few as the front end of a server can send.

    What is generated between a boundary and its discovery is thrown away, so small events are
    better, until a front end, which handles one after the other, is late with all of them. By the
    load it is 1 below 124 requests, and 1 more for each further 64. The tokens that arrive in a
    second would be no measure of the load: they are few where a front end is late.

    Args:
        configured: `serve.stream_interval`; 0 decides by the load.
        in_flight: requests at the replica.
        min_chunk: tokens that are waited for in any case.
    """
    return max(
        configured or 1 + max(0, int(in_flight) - _FEW) // _ROWS, min(min_chunk, MAX_INTERVAL)
    )


@lru_cache(maxsize=256)
def _rest(model: str, sampling: SamplingConfig, stop_ids: frozenset[int]) -> bytes:
    """What the requests of a role share."""
    fields: dict[str, Any] = {
        "model": model,
        "stream": True,
        "return_token_ids": True,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        # What is not said is taken from the checkpoint's generation_config.json: some penalize
        # repetition, and their further end-of-text ids would end a stretch that goes on here.
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "ignore_eos": True,
        "stop_token_ids": sorted(stop_ids),
        # Text is not read, but a server that skips special tokens must not skip their ids.
        "skip_special_tokens": False,
        "spaces_between_special_tokens": False,
    }
    return _encode(fields)[1:]


def noise_seed(seed: int, session: str, length: int) -> int:
    """A request's seed, 48 bits.

    It depends on the length of the prompt, as a server begins the noise of each request anew:
    with one seed for all stretches of a sample, each would draw the first stretch's noise again.
    """
    name = f"{seed}\0{session}\0{length}".encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=6).digest(), "little")


def refusal(status: int | str | None, words: str) -> Fault:
    """What an error status means: 4xx says that the request itself is wrong, but for these two."""
    digits = str(status)
    code = int(digits) if digits.isdigit() else 500
    passing = code >= 500 or code in (408, 429)
    return Fault(f"http_{code}", f"HTTP {code}: {words}", passing)


def stream_fault(error: Problem | str) -> Fault:
    """What an error in the stream means."""
    if isinstance(error, str):
        return Fault("error", error)
    return refusal(error.code, error.message)


def server_words(answer: bytes) -> str:
    """What a server says in the body of an error, on one line."""
    try:
        data = msgspec.json.decode(answer)
    except msgspec.DecodeError:
        data = None
    while isinstance(data, dict):
        data = next((data[k] for k in ("error", "message", "detail") if k in data), None)
    text = data if isinstance(data, str) else answer.decode(errors="replace")
    return " ".join(text.split())[:400]
