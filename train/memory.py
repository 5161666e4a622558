"""Whether a training fits on its GPUs: arithmetic on the model's shape, no model loaded.

The states (weights, gradients, optimizer) follow from ZeRO's division. Activations are counted from
what autograd keeps of a layer of Qwen3's kind: of each norm its input in fp32 and its output
before scaling, the inputs of the matrices, queries, keys, values and output of the attention (no
matrix of all pairs), and four tensors of the MLP's width.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tessy.checkpoints import locate
from tessy.config import DeepSpeedConfig, ModelConfig, TrainConfig
from tessy.errors import TessyError
from train.arguments import chunks, recomputes

BUCKET = 5e8  # elements that DeepSpeed reduces at once (its default)
LIVE = 1e9  # weights that ZeRO-3 holds gathered at once, at most (its default)
TILE = 4096, 32768  # positions and words of the logits that TRL's head holds at once
RESERVED = 2e9  # bytes: the CUDA context and kernels' workspaces
USABLE = 0.95  # of a GPU's memory; the rest is lost to fragmentation


@dataclass(frozen=True)
class Shape:
    """What decides about memory."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    mlp: int  # width of the MLP that works on a token: of all its experts together
    vocabulary: int

    def shareable(self, devices: int) -> bool:
        """Whether each of so many devices can have as many heads as the others."""
        of_keys = self.kv_heads % devices == 0 or devices % self.kv_heads == 0
        return self.heads % devices == 0 and of_keys


# Of the models in conf/student, by their published config.json: for a machine without them.
KNOWN: Mapping[str, Shape] = {
    "Qwen/Qwen3-8B": Shape(36, 4096, 32, 8, 128, 12288, 151_936),
    "Qwen/Qwen3-8B-Base": Shape(36, 4096, 32, 8, 128, 12288, 151_936),
    "Qwen/Qwen3-30B-A3B": Shape(48, 2048, 32, 4, 128, 8 * 768, 151_936),
}


@dataclass(frozen=True)
class Fit:
    """Bytes on each GPU at the worst moment of a training."""

    weights: float
    gradients: float
    optimizer: float
    activations: float
    reserved: float = RESERVED

    @property
    def total(self) -> float:
        return self.weights + self.gradients + self.optimizer + self.activations + self.reserved

    def fits(self, gpu_bytes: float) -> bool:
        return self.total <= USABLE * gpu_bytes


def shape_of(student: ModelConfig) -> Shape | None:
    """By the model's files, or for one that isn't here by what is known; None if nothing is."""
    try:
        folder = locate(student.path, weights=False)
    except TessyError:
        return KNOWN.get(student.path)
    return read_shape(json.loads((Path(folder) / "config.json").read_text(encoding="utf-8")))


def read_shape(config: Mapping[str, Any]) -> Shape:
    """The shape that a config.json tells."""
    heads = config["num_attention_heads"]
    experts = config.get("num_experts_per_tok") or 0
    mlp = config.get("moe_intermediate_size") or config["intermediate_size"]
    return Shape(
        layers=config["num_hidden_layers"],
        hidden=config["hidden_size"],
        heads=heads,
        kv_heads=config.get("num_key_value_heads") or heads,
        head_dim=config.get("head_dim") or config["hidden_size"] // heads,
        mlp=mlp * (experts or 1),
        vocabulary=config["vocab_size"],
    )


def fit_of(parameters: float, shape: Shape, train: TrainConfig, deepspeed: DeepSpeedConfig) -> Fit:
    """What each GPU will hold."""
    weights, gradients, optimizer = states(parameters, shape, train, deepspeed)
    tokens = train.max_length * (1 if train.packing else train.micro_batch)
    shared = deepspeed.sequence_parallel
    needed = activations(parameters, shape, train, math.ceil(tokens / shared), shared)
    return Fit(weights, gradients, optimizer, needed)


def states(
    parameters: float, shape: Shape, train: TrainConfig, deepspeed: DeepSpeedConfig
) -> tuple[float, float, float]:
    """Bytes of weights, gradients and optimizer on each device.

    One device trains fp32 weights, of which bf16 work keeps a cast copy; DeepSpeed trains bf16
    weights, and counts the fp32 ones to the optimizer. Adam keeps two fp32 numbers a parameter.
    """
    bf16, lora = train.precision == "bf16", train.lora.rank
    trained = lora_parameters(shape, lora) if lora else parameters
    if deepspeed.kind == "none":
        frozen = (2 if bf16 else 4) * parameters if lora else 0.0
        return frozen + trained * (6 if bf16 else 4), 4 * trained, 8 * trained
    width: float = 2 if bf16 else 4
    devices = deepspeed.devices
    weights = width * (parameters + (trained if lora else 0.0))
    gradients, optimizer = width * trained / devices, (12 if bf16 else 8) * trained / devices
    gradients += 2 * width * min(BUCKET, trained)  # one is reduced while the next is filled
    if deepspeed.kind == "zero2":
        return weights, gradients, optimizer
    gathered = width * min(LIVE, parameters)
    if deepspeed.kind == "zero3_offload":
        return gathered, 2 * width * min(BUCKET, trained), 0.0
    return weights / devices + gathered, gradients, optimizer


def lora_parameters(shape: Shape, rank: int) -> float:
    """Of low-rank updates to all matrices of a dense model's layers."""
    h, q, kv = shape.hidden, shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    pairs = [(h, q), (h, kv), (h, kv), (q, h), (h, shape.mlp), (h, shape.mlp), (shape.mlp, h)]
    return float(shape.layers * rank * sum(a + b for a, b in pairs))


def activations(
    parameters: float, shape: Shape, train: TrainConfig, tokens: int, shared: int = 1
) -> float:
    """Bytes that the backward pass of one row needs kept, at its worst moment.

    With recomputing, each layer keeps its input, and one layer at a time all that it computed.

    Args:
        tokens: of the row that this device computes.
        shared: devices that share the row.
    """
    width = 2 if train.precision == "bf16" else 4
    layer = tokens * layer_bytes(shape, width, shared)
    at_work = tokens * 3 * width * shape.mlp  # gradients of what one layer is computing
    head = head_bytes(shape, train, tokens, width)
    if not recomputes(train, parameters):
        return shape.layers * layer + max(at_work, head)
    inputs = 2 if train.memory.activation_offloading else shape.layers
    return inputs * tokens * shape.hidden * width + max(layer + at_work, head)


def head_bytes(shape: Shape, train: TrainConfig, tokens: int, width: int) -> float:
    """What the head and its loss hold in their backward pass, before that of the layers begins."""
    hidden = tokens * shape.hidden * (width + 4)
    if not chunks(train, shape.vocabulary):
        return hidden + tokens * shape.vocabulary * (width + 2 * 4)
    tile = min(tokens, TILE[0]) * min(shape.vocabulary, TILE[1]) * width
    return hidden + tile + shape.vocabulary * shape.hidden * (width + 4)  # gradient of the head


def layer_bytes(shape: Shape, width: int, shared: int = 1) -> float:
    """What autograd keeps of one layer, a token.

    Args:
        width: bytes of a number: 2 for bf16, 4 for fp32.
        shared: devices that share the row. Each attends with some heads to the whole row, which
            takes as much as all heads to its part, unless keys and values have fewer heads.
    """
    h, q = shape.hidden, shape.heads * shape.head_dim
    kv = shape.kv_heads * shape.head_dim
    norms = 2 * h * (4 + width) + (q + kv) * (4 + width)
    inputs = 2 * h * width  # of queries, keys and values, and of the MLP
    attention = 2 * (q + max(shape.kv_heads, shared) * shape.head_dim) * width
    return norms + inputs + attention + 4 * shape.mlp * width
