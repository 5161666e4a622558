"""What a server for tests says of itself, whether true or not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from aiohttp import web
from transformers import AutoTokenizer

BLOCK = 16  # ids of a block of the prefix cache


class Claims:
    """Attributes may be set at any time. `seen` counts what reached the server."""

    def __init__(self, folder: Path, max_model_len: int) -> None:
        self.folder = folder
        self.model = folder.name
        self.root: str | None = str(folder)
        self.max_model_len: int | None = max_model_len
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.key = ""
        self.returns_token_ids = True
        self.prefix_caching = True
        self.has_metrics = True
        self.has_tokenize = True
        self.strips_stop_ids = False  # as some servers do, which name it as stop_reason only
        self.vocabulary = len(self.tokenizer)  # ids from here on are refused
        self.words = "told to fail"
        self.own_stop_ids: frozenset[int] = frozenset()  # that end a text whatever is asked
        self.kv_tokens = 4096
        self.seen: Counter[str] = Counter()

    def allowed(self, request: web.Request) -> None:
        if self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
            raise web.HTTPUnauthorized(text='{"error": "Unauthorized"}')

    async def health(self, request: web.Request) -> web.Response:
        return web.Response()

    async def models(self, request: web.Request) -> web.Response:
        self.allowed(request)
        card = {"id": self.model, "object": "model", "root": self.root}
        if self.max_model_len is not None:
            card["max_model_len"] = self.max_model_len  # type: ignore[assignment]
        return web.json_response({"object": "list", "data": [card]})

    async def metrics(self, request: web.Request) -> web.Response:
        if not self.has_metrics:
            raise web.HTTPNotFound
        labels = (
            f'block_size="{BLOCK}",enable_prefix_caching="{self.prefix_caching}",engine="0",'
            f'num_gpu_blocks="{self.kv_tokens // BLOCK}"'
        )
        return web.Response(
            text=f"# TYPE vllm:cache_config_info gauge\nvllm:cache_config_info{{{labels}}} 1.0\n"
            f'vllm:prefix_cache_hits_total{{engine="0"}} {float(self.seen["hits"])}\n'
        )

    async def tokenize(self, request: web.Request) -> web.Response:
        if not self.has_tokenize:
            raise web.HTTPNotFound
        ids = self.encode((await request.json())["prompt"])
        return web.json_response({"count": len(ids), "tokens": ids})

    def encode(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False))
