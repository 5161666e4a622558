"""The reader of HTTP responses and events, whatever the pieces in which they come."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tessy.engines.vllm.http import Address, Fault, ResponseReader
from tessy.engines.vllm.metrics import CacheMetrics, read_metrics
from tessy.engines.vllm.protocol import decode_event, server_words
from tessy.engines.vllm.stream import _without_prompt

BODIES = st.lists(st.binary(min_size=1, max_size=40), max_size=6)
CUTS = st.lists(st.integers(0, 400), max_size=12)


def pieces(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(min(c, len(data)) for c in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(edges) if a < b]


def read(data: bytes, cuts: Sequence[int]) -> tuple[ResponseReader, bytes]:
    reader = ResponseReader()
    return reader, b"".join(reader.feed(piece) for piece in pieces(data, cuts))


@given(BODIES, CUTS, st.sampled_from([b"", b";name=value"]), st.sampled_from([b"", b"a: b\r\n"]))
def test_a_chunked_body_is_read_whole(
    bodies: list[bytes], cuts: list[int], extension: bytes, trailer: bytes
) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nX: y\r\n\r\n"
    chunks = [b"%X%s\r\n%s\r\n" % (len(b), extension, b) for b in bodies]
    reader, body = read(head + b"".join(chunks) + b"0\r\n" + trailer + b"\r\n", cuts)
    assert body == b"".join(bodies)
    assert reader.done
    assert reader.status == 200


@given(st.binary(max_size=90), CUTS)
def test_a_body_of_known_length_is_read_whole(body: bytes, cuts: list[int]) -> None:
    begin = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\n"
    message = begin + b"content-length: %d\r\n\r\n%s" % (len(body), body)
    reader, got = read(message, cuts)
    assert (got, reader.status, reader.done) == (body, 404, True)


@given(st.binary(max_size=90), CUTS)
def test_a_body_without_length_ends_with_the_connection(body: bytes, cuts: list[int]) -> None:
    reader, got = read(b"HTTP/1.0 200 OK\r\n\r\n" + body, cuts)
    assert (got, reader.done) == (body, False)
    reader.close()
    assert reader.done


@given(BODIES, st.integers(0, 300))
def test_a_chunked_body_that_breaks_off_is_never_done(bodies: list[bytes], kept: int) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    message = head + b"".join(b"%x\r\n%s\r\n" % (len(b), b) for b in bodies) + b"0\r\n"
    reader, _ = read(message[: min(kept, len(message) - 1)], [])
    reader.close()
    assert not reader.done


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
    ],
)
def test_what_is_not_http_is_a_fault(answer: bytes) -> None:
    with pytest.raises(Fault) as fault:
        read(answer, [])
    assert fault.value.reason == "garbled"


@given(
    st.text(max_size=20) | st.just('"prompt_token_ids":[1'),
    st.integers(0, 900).map(lambda n: list(range(1, n + 1))),
    st.lists(st.integers(0, 200_000), max_size=5),
    st.booleans(),
)
def test_an_event_says_the_same_without_the_prompts_ids(
    text: str, prompt: list[int], ids: list[int], last: bool
) -> None:
    choice = {"text": text * 200, "finish_reason": None}
    choice |= {"token_ids": ids, "prompt_token_ids": prompt}
    if not last:
        choice |= {"stop_reason": 7}
    data = json.dumps({"choices": [choice]}, separators=(",", ":")).encode()
    event = decode_event(_without_prompt(data))
    assert event == decode_event(data)
    assert event.choices[0].token_ids == ids
    if len(prompt) > 800:
        assert len(_without_prompt(data)) < len(data)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://host:8000", Address("host", 8000, False, "")),
        ("http://host:8000/v1/", Address("host", 8000, False, "")),
        ("https://host/a/b/v1", Address("host", 443, True, "/a/b")),
        ("http://[::1]:80", Address("::1", 80, False, "")),
    ],
)
def test_a_base_url_is_understood(url: str, address: Address) -> None:
    assert Address.parse(url) == address


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b'{"error": {"message": "too  long", "code": 400}}', "too long"),
        (b'{"error": "Unauthorized"}', "Unauthorized"),
        (b'{"detail": "Not Found"}', "Not Found"),
        (b'{"object": "error", "message": "no"}', "no"),
        (b"<html>\n502</html>", "<html> 502</html>"),
        (b'{"other": 1}', '{"other": 1}'),
    ],
)
def test_the_servers_own_words_are_found(answer: bytes, words: str) -> None:
    assert server_words(answer) == words


def test_metrics_of_all_engines_are_added() -> None:
    info = 'vllm:cache_config_info{block_size="%s",enable_prefix_caching="%s",%s} 1.0\n'
    hits = 'vllm:prefix_cache_hits_total{engine="%d",model_name="a}\\"b"} %s\n'
    older = info % (16, "True", 'num_gpu_blocks="100"')
    newer = info % (32, "True", 'num_gpu_blocks="None",kv_cache_size_tokens="4000"')
    both = "# HELP x\n" + older + newer + hits % (0, "32.0") + hits % (1, "1e3")
    assert read_metrics(both) == CacheMetrics(True, 5600, 1032)
    off = read_metrics(older + info % (16, "False", 'num_gpu_blocks="1"'))
    assert off is not None
    assert not off.prefix_caching
    assert read_metrics("python_gc_objects 3\n") is None
