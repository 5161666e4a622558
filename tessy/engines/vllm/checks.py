"""Is this server what the configuration says it is? Asked at the start and when one comes back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tessy.checkpoints import load_tokenizer
from tessy.engines.vllm.client import Client
from tessy.engines.vllm.metrics import CacheMetrics, read_metrics
from tessy.engines.vllm.protocol import Event, refusal, server_words, stream_fault
from tessy.errors import EngineError
from tessy.records import Writer

_ABSENT = (404, 405, 501)
_MEND = "point the URL at vLLM's OpenAI-compatible server or one that speaks as it does"
_SAMPLE = 200  # ids of the vocabulary, and of its added tokens, whose texts are compared
# Scripts, cases, numbers, indentation, runs of spaces and newlines, a ligature, a joined emoji.
_TEXT = (
    "Okay, let me see: the sum of 1234567 and 3.14e-5 isn't 42!\n\n\tif (x % 2 == 0) {\r\n"
    "        return a[i]->next;   // ünïcödé ﬁn 漢字かな русский עברית हिन्दी 👩‍👩‍👧\n}\n\n\n"
    "def  main():\n    print(f'{x!r:>8}')  #   camelCase SNAKE_CASE\x00 don't WE'LL"
)


class Card(msgspec.Struct):
    """An entry of /v1/models."""

    id: str
    root: str | None = None
    max_model_len: int | None = None


class Cards(msgspec.Struct):
    data: list[Card]


class Tokens(msgspec.Struct):
    """The answer of /tokenize."""

    tokens: list[int]


class Prompt(msgspec.Struct):
    prompt_token_ids: list[int] | None = None


class Prompts(msgspec.Struct):
    """A completion, of which only the prompt's ids are of interest."""

    choices: list[Prompt]


T = TypeVar("T", bound=msgspec.Struct)


@dataclass(frozen=True)
class Wanted:
    """What every server of a role must be.

    The vocabulary is probed by texts: a fixed one, the names of the added tokens, and the texts of
    ids spread over the whole vocabulary. The server must turn each into the ids that the folder's
    tokenizer makes of it. That is a check of a few hundred entries and their merges, not of all.
    """

    role: Writer
    path: str  # as in the configuration
    folder: Path
    max_context: int
    texts: tuple[tuple[str, list[int]], ...]
    highest: int  # id of the vocabulary


@dataclass(frozen=True)
class Facts:
    """What a server said of itself."""

    model: str  # its name for its model
    cache: CacheMetrics | None
    unsaid: tuple[str, ...]  # what could not be checked


def wanted(role: Writer, path: str, folder: Path, max_context: int) -> Wanted:
    """Read what is compared from the checkpoint's tokenizer.

    Raises:
        CheckpointError: it cannot be read.
    """
    tokenizer: Any = load_tokenizer(folder)
    ids = sorted(tokenizer.get_vocab().values())
    added = sorted(tokenizer.get_added_vocab(), key=tokenizer.get_added_vocab().__getitem__)
    sample = "\n".join(tokenizer.decode([i]) for i in _spread(ids)).replace("\ufffd", "")
    texts = (_TEXT, "".join(_spread(added)), sample)
    encoded = [(t, list(tokenizer.encode(t, add_special_tokens=False))) for t in texts if t]
    return Wanted(role, path, folder, max_context, tuple(encoded), ids[-1])


def _spread(items: list[Any]) -> list[Any]:
    """At most `_SAMPLE` of them, evenly, the last one too."""
    step = -(-len(items) // _SAMPLE)
    return items[::-step][::-1] if items else []


async def check_server(client: Client, want: Wanted) -> Facts:
    """All checks of one server.

    Raises:
        EngineError: it is not what is wanted; the mend names the server's flag or the option.
        Fault: it does not answer.
    """
    card = await _check_model(client, want)
    await _check_tokenizer(client, card.id, want)
    await _check_token_ids(client, card.id, want)
    cache = await _check_cache(client, want)
    unsaid = [] if card.max_model_len is not None else ["its longest context"]
    if cache is None:
        unsaid.append("whether it caches prefixes, and how much it holds")
    return Facts(card.id, cache, tuple(unsaid))


async def _check_model(client: Client, want: Wanted) -> Card:
    where = f"{want.role} server {client.url}"
    cards = (await _ask(client, want, Cards, "GET", "/v1/models")).data
    names = {_short(want.path), _short(str(want.folder))}
    card = next((c for c in cards if {_short(c.id), _short(c.root or c.id)} & names), None)
    if card is None:
        served = ", ".join(f"{c.id!r}" + (f" from {c.root}" if c.root else "") for c in cards)
        raise EngineError(
            f"{where} serves {served or 'no model'}, not {want.path!r}",
            f"start it with that model, or say that it is that one by "
            f"--served-model-name {want.path}, or correct serve.{want.role}.urls",
        )
    if card.max_model_len is not None and card.max_model_len < want.max_context:
        raise EngineError(
            f"{where} takes {card.max_model_len} tokens, {want.max_context} are needed",
            f"start it with --max-model-len {want.max_context}, or lower {want.role}.context",
        )
    return card


def _short(name: str) -> str:
    """The last part of a path or hub id: the same folder has other parents on other machines."""
    return name.rstrip("/").rpartition("/")[2].casefold()


async def _check_tokenizer(client: Client, model: str, want: Wanted) -> None:
    for text, ids in want.texts:
        got = await _tokenize(client, model, text, want)
        if got != ids:
            at = next((i for i, (a, b) in enumerate(zip(got, ids, strict=False)) if a != b), 0)
            raise EngineError(
                f"{want.role} server {client.url} has another tokenizer than {want.folder}: "
                f"of {text[:20]!r}... it makes {len(got)} ids, {got[at : at + 4]} from the "
                f"{at + 1}th on, and the folder's {len(ids)}, {ids[at : at + 4]}",
                f"start it with --tokenizer of that folder, or correct {want.role}.path",
            )


async def _tokenize(client: Client, model: str, text: str, want: Wanted) -> list[int]:
    """By /tokenize, or where a server lacks it, as the prompt of a completion."""
    fields = {"model": model, "prompt": text, "add_special_tokens": False}
    status, answer = await client.fetch("POST", "/tokenize", msgspec.json.encode(fields))
    if status not in _ABSENT:
        return _accept(client, want, Tokens, status, answer).tokens
    fields |= {"max_tokens": 1, "return_token_ids": True, "temperature": 0.0}
    prompts = (await _ask(client, want, Prompts, "POST", "/v1/completions", fields)).choices
    if not prompts or prompts[0].prompt_token_ids is None:
        raise _no_ids(client, want)
    return prompts[0].prompt_token_ids


async def _check_token_ids(client: Client, model: str, want: Wanted) -> None:
    """One streamed token after the highest id, which a smaller vocabulary refuses."""
    fields = {"model": model, "prompt": [want.highest], "max_tokens": 1, "temperature": 0.0}
    fields |= {"stream": True, "return_token_ids": True, "ignore_eos": True}
    encoded = msgspec.json.encode(fields)
    status, answer = await client.fetch("POST", "/v1/completions", encoded, client.stall_seconds)
    lines = [line[5:].strip() for line in answer.splitlines() if line.startswith(b"data:")]
    if status != 200 or not lines:
        _accept(client, want, Event, status, answer)
    events = [_accept(client, want, Event, status, line) for line in lines if line != b"[DONE]"]
    for fault in (stream_fault(event.error) for event in events if event.error is not None):
        if fault.passing:
            raise fault
        raise EngineError(  # vLLM finds out when its response has begun
            f"{want.role} server {client.url} refuses a prompt of id {want.highest}, the highest "
            f"of {want.folder}: {client.shown(fault.words)}",
            f"serve the model that {want.role}.path names",
        )
    if sum(len(choice.token_ids or ()) for event in events for choice in event.choices) != 1:
        raise _no_ids(client, want)


async def _check_cache(client: Client, want: Wanted) -> CacheMetrics | None:
    cache = await cache_metrics(client)
    if cache is not None and not cache.prefix_caching:
        raise EngineError(
            f"{want.role} server {client.url} caches no prefixes, so that every request would "
            "compute its whole prompt again",
            "start it with --enable-prefix-caching",
        )
    return cache


async def cache_metrics(client: Client) -> CacheMetrics | None:
    """None if the server does not say.

    Raises:
        Fault: it does not answer.
    """
    status, answer = await client.fetch("GET", "/metrics")
    return read_metrics(answer.decode(errors="replace")) if status == 200 else None


async def _ask(
    client: Client,
    want: Wanted,
    kind: type[T],
    method: str,
    path: str,
    fields: dict[str, Any] | None = None,
) -> T:
    body = b"" if fields is None else msgspec.json.encode(fields)
    return _accept(client, want, kind, *await client.fetch(method, path, body))


def _accept(client: Client, want: Wanted, kind: type[T], status: int, answer: bytes) -> T:
    """What a response says, if its status is good and it says it."""
    where = f"{want.role} server {client.url}"
    if status in (401, 403):
        raise EngineError(
            f"{where} refuses the API key (HTTP {status})",
            "set serve.key_variable to the environment variable that holds it",
        )
    if status != 200:
        fault = refusal(status, client.shown(server_words(answer)))
        if fault.passing:
            raise fault
        raise EngineError(f"{where} refuses a request that every start makes: {fault.words}", _MEND)
    try:
        return msgspec.json.decode(answer, type=kind)
    except msgspec.DecodeError as error:
        said = client.shown(server_words(answer))[:80]
        raise EngineError(f"{where} answers {said!r} ({error})", _MEND) from None


def _no_ids(client: Client, want: Wanted) -> EngineError:
    return EngineError(
        f"{want.role} server {client.url} returns no token ids",
        "serve with vLLM 0.10.2 or later, which honours return_token_ids",
    )
