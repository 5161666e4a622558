"""What is wrong with a server is said before any work, with its mend."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from tessy.config import EngineConfig, SamplingConfig, ServeConfig, ServerConfig
from tessy.engines import ModelSpec, Request, complete, open_engines
from tessy.engines.vllm.checks import wanted
from tessy.errors import ConfigError, EngineDown, EngineError, TessyError
from tests.dialects.families import FAMILIES, save
from tests.engines.server import TinyServer, running
from tests.tiny import QWEN_TEMPLATE, QWEN_TOKENS, save_tokenizer

CONTEXT = 512
KEY = "sk-very-secret"


async def open_over(folder: Path, *urls: str, variable: str = "") -> None:
    """Open an engine and generate two tokens."""
    serve = ServeConfig("external", student=ServerConfig(urls), key_variable=variable, retries=0)
    spec = ModelSpec(folder, CONTEXT)
    async with open_engines(
        {"student": spec}, EngineConfig("vllm"), serve, 4, folder / "logs"
    ) as engines:
        request = Request((30, 31), SamplingConfig(0), 2, frozenset(), "s", 1)
        await complete(engines["student"], request)


def refusal(
    folder: Path, change: Callable[[TinyServer], None], served: Path | None = None
) -> TessyError:
    async def run() -> TessyError:
        async with running(served or folder, CONTEXT) as server:
            change(server)
            with pytest.raises(TessyError) as error:
                await open_over(folder, server.url)
            assert server.url in str(error.value)
            return error.value

    return asyncio.run(run())


def set_to(**attributes: object) -> Callable[[TinyServer], None]:
    def change(server: TinyServer) -> None:
        for name, value in attributes.items():
            assert hasattr(server, name)
            setattr(server, name, value)

    return change


@pytest.mark.parametrize(
    ("attributes", "what", "mend"),
    [
        ({"model": "qwen", "root": "/models/qwen"}, "serves 'qwen' from /models/qwen, not",
         "--served-model-name"),
        ({"max_model_len": 511}, "takes 511 tokens, 512 are needed", "--max-model-len 512"),
        ({"returns_token_ids": False}, "returns no token ids", "vLLM 0.10.2"),
        ({"prefix_caching": False}, "caches no prefixes", "--enable-prefix-caching"),
        ({"key": "secret"}, "refuses the API key", "serve.key_variable"),
    ],
)  # fmt: skip
def test_a_server_that_is_not_as_configured_is_refused(
    tiny: dict[str, Path], attributes: dict[str, object], what: str, mend: str
) -> None:
    error = refusal(tiny["student"], set_to(**attributes))
    assert isinstance(error, EngineError)
    assert what in error.what
    assert mend in error.mend


def test_the_models_name_may_have_other_parents(tiny: dict[str, Path]) -> None:
    async def run() -> None:
        async with running(tiny["student"], CONTEXT) as server:
            for model, root in (("any", "/elsewhere/student"), ("org/Student", None)):
                server.model, server.root = model, root
                await open_over(tiny["student"], server.url + "/v1/")
                assert server.bodies[-1]["model"] == model

    asyncio.run(run())


@pytest.mark.parametrize("by_tokenize", [True, False])
def test_another_familys_tokenizer_is_refused(tiny: dict[str, Path], by_tokenize: bool) -> None:
    other = set_to(model="student", has_tokenize=by_tokenize)
    error = refusal(tiny["student"], other, served=tiny["teacher"])
    assert isinstance(error, EngineError)
    assert "another tokenizer" in error.what
    assert "--tokenizer" in error.mend


@pytest.mark.parametrize("by_tokenize", [True, False])
@pytest.mark.parametrize(
    ("special", "size"), [(QWEN_TOKENS[:-1], 399), ([*QWEN_TOKENS, "<x>"], 401), (QWEN_TOKENS, 396)]
)
def test_a_slightly_other_vocabulary_is_refused(
    tiny: dict[str, Path], tmp_path: Path, special: list[str], size: int, by_tokenize: bool
) -> None:
    save_tokenizer(tmp_path, special, QWEN_TEMPLATE, size, "<|im_end|>")

    def change(server: TinyServer) -> None:
        server.tokenizer = AutoTokenizer.from_pretrained(tmp_path)
        server.has_tokenize = by_tokenize

    assert "tokenizer" in refusal(tiny["student"], change).what


def test_a_server_whose_vocabulary_is_smaller_is_refused(tiny: dict[str, Path]) -> None:
    """Even if it tokenizes the texts alike."""

    def change(server: TinyServer) -> None:
        server.vocabulary -= 1

    error = refusal(tiny["student"], change)
    assert "refuses a prompt of id 399, the highest" in error.what
    assert "out of vocabulary" in error.what


def test_a_server_that_says_less_is_noted_and_used(
    tiny: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    async def run() -> None:
        async with running(tiny["student"], CONTEXT) as server:
            server.has_metrics = server.has_tokenize = False
            server.max_model_len = None
            await open_over(tiny["student"], server.url)

    asyncio.run(run())
    said = capsys.readouterr().err
    assert said.count("Note:") == 1
    assert "its longest context and whether it caches prefixes" in said


def test_no_server_and_no_url_and_no_http_are_told_apart(tiny: dict[str, Path]) -> None:
    async def ssh(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
        await writer.drain()

    async def run() -> None:
        async with running(tiny["student"], CONTEXT) as server:
            url = server.url
        with pytest.raises(EngineDown, match=r"student server .* refused|Connect call failed"):
            await open_over(tiny["student"], url)
        with pytest.raises(ConfigError, match=r"serve\.student\.urls is empty"):
            await open_over(tiny["student"])
        other = await asyncio.start_server(ssh, "127.0.0.1", 0)
        port = other.sockets[0].getsockname()[1]
        with pytest.raises(EngineDown, match="which is not HTTP"):
            await open_over(tiny["student"], f"http://127.0.0.1:{port}")
        other.close()

    asyncio.run(run())


def test_the_key_is_sent_and_never_shown(
    tiny: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TESSY_TEST_KEY", KEY)

    async def run() -> list[str]:
        said = []
        async with running(tiny["student"], CONTEXT) as server:
            server.key = KEY
            await open_over(tiny["student"], server.url, variable="TESSY_TEST_KEY")
            server.words = f"request with header Bearer {KEY} failed"
            server.fail("status", times=9)
            with pytest.raises(TessyError) as error:
                await open_over(tiny["student"], server.url, variable="TESSY_TEST_KEY")
            said.append(str(error.value))
            server.fail("status", times=9, where=lambda prompt: len(prompt) == 1)
            with pytest.raises(TessyError) as error:
                await open_over(tiny["student"], server.url, variable="TESSY_TEST_KEY")
            said.append(str(error.value))
            server.key = "another"
            with pytest.raises(TessyError) as error:
                await open_over(tiny["student"], server.url, variable="TESSY_TEST_KEY")
            said.append(str(error.value))
        return said

    said = asyncio.run(run())
    assert "request with header Bearer *** failed" in said[0]
    assert "request with header Bearer *** failed" in said[1]
    assert KEY not in "".join(said) + capsys.readouterr().err
    with pytest.raises(ConfigError, match="TESSY_NO_KEY"):
        asyncio.run(open_over(tiny["student"], "http://127.0.0.1:9", variable="TESSY_NO_KEY"))


def test_what_is_compared_is_what_tokenizer_json_makes(tmp_path: Path) -> None:
    """DeepSeek-R1 names Llama's class, which in transformers 5 drops all spaces."""
    save(FAMILIES["deepseek_r1"], tmp_path)
    settings_file = tmp_path / "tokenizer_config.json"
    given = json.loads(settings_file.read_text()) | {"tokenizer_class": "LlamaTokenizerFast"}
    settings_file.write_text(json.dumps(given))
    plain = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    texts = wanted("teacher", "deepseek", tmp_path, CONTEXT).texts
    assert len(texts) == 3
    for text, ids in texts:
        assert ids == plain.encode(text, add_special_tokens=False).ids
