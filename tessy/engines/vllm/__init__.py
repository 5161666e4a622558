"""The engine for vLLM's OpenAI-compatible server, or any that speaks as it does."""

from tessy.engines.vllm.engine import VllmEngine, connect

__all__ = ["VllmEngine", "connect"]
