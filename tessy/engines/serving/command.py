"""The command line and the environment of vLLM's server."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tessy.config import ServeConfig
from tessy.engines.base import ModelSpec
from tessy.engines.serving.places import Place
from tessy.errors import ConfigError

HOST = "127.0.0.1"
# A machine without a GPU serves miniature models, exactly: their log-probabilities are those of
# the in-process engine, and their keys and values need little room.
_CPU = ("--dtype=float32", "--enforce-eager", "--block-size=32", f"--kv-cache-memory-bytes={2**28}")


def command(
    spec: ModelSpec, folder: Path, place: Place, serve: ServeConfig, port: int
) -> tuple[str, ...]:
    """What starts the server of one replica.

    The model is served under the name that its path has in the configuration, as an external
    `vllm serve PATH` would. `--generation-config=vllm` keeps the checkpoint's own sampling defaults
    out: a request alone says how tokens are drawn. The user's arguments come last and win.
    """
    options = [
        f"--model={folder}",
        f"--served-model-name={spec.path}",
        f"--host={HOST}",
        f"--port={port}",
        f"--max-model-len={spec.max_context}",
        f"--tensor-parallel-size={spec.tensor_parallel}",
        f"--stream-interval={max(1, serve.stream_interval)}",
        "--enable-prefix-caching",
        "--generation-config=vllm",
        "--disable-uvicorn-access-log",  # a line a request would be most of the log
    ]
    options += [f"--gpu-memory-utilization={place.memory_share:.3f}"] if place.gpus else _CPU
    module = "vllm.entrypoints.openai.api_server"
    return (sys.executable, "-m", module, *options, *serve.of(place.role).arguments)


def environment(
    place: Place, gpus: Sequence[str], n_servers: int, serve: ServeConfig
) -> Mapping[str, str]:
    """The server's environment; what the user's says of threads and usage statistics stays.

    Args:
        place: where it runs.
        gpus: names of the machine's GPUs, which `place.gpus` are indices of.
        n_servers: on this machine; on a CPU they divide its cores.
        serve: names the variable that holds the API key, if there is one.

    Raises:
        ConfigError: that variable is not set.
    """
    chosen = {"VLLM_NO_USAGE_STATS": "1"}
    if not place.gpus:
        cores = len(os.sched_getaffinity(0))
        chosen["OMP_NUM_THREADS"] = str(max(1, cores // n_servers))
        chosen["VLLM_CPU_OMP_THREADS_BIND"] = "nobind"  # else all servers bind to the same cores
        chosen["TORCH_COMPILE_DISABLE"] = "1"  # the first request would wait for it
    result = chosen | os.environ
    if place.gpus:
        result["CUDA_VISIBLE_DEVICES"] = ",".join(gpus[gpu] for gpu in place.gpus)
    if serve.key_variable:
        if serve.key_variable not in os.environ:
            raise ConfigError(
                f"serve.key_variable={serve.key_variable!r}, but that variable is not set",
                f"export {serve.key_variable}, or set serve.key_variable='' to serve without a key",
            )
        result["VLLM_API_KEY"] = os.environ[serve.key_variable]
    return result
