"""What vLLM's /metrics (Prometheus text) says about its KV cache."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SAMPLE = re.compile(r"^(vllm:\w+)(?:\{(.*)\})? (\S+)", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class CacheMetrics:
    """Of all engines of one server (data parallelism has several)."""

    prefix_caching: bool
    kv_tokens: int  # that it can hold; 0: not said
    hits: int  # prompt tokens found in the prefix cache since the server began, whoever asked


def read_metrics(text: str) -> CacheMetrics | None:
    """None if this is not what vLLM says of its cache."""
    caching, kv_tokens, hits, found = True, 0, 0.0, False
    for name, labels, value in _SAMPLE.findall(text):
        if name == "vllm:cache_config_info":
            info = dict(_LABEL.findall(labels))
            found = True
            caching &= info.get("enable_prefix_caching") != "False"
            kv_tokens += _kv_tokens(info)
        elif name == "vllm:prefix_cache_hits_total":
            hits += float(value)
    return CacheMetrics(caching, kv_tokens, int(hits)) if found else None


def _kv_tokens(info: dict[str, str]) -> int:
    """Newer versions say the size; blocks times their size overestimate sliding windows' layers."""
    size = info.get("kv_cache_size_tokens", "")
    if size.isdigit():
        return int(size)
    blocks, block = info.get("num_gpu_blocks", ""), info.get("block_size", "")
    return int(blocks) * int(block) if blocks.isdigit() and block.isdigit() else 0
