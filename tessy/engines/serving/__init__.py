"""The life cycle of local vLLM servers: where they run, how they start, that none is left."""

from tessy.engines.serving.local import Servers, local_servers

__all__ = ["Servers", "local_servers"]
