"""What stage=plan says of memory is what a training holds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tessy.config import DeepSpeedConfig, LoraConfig, MemoryConfig, ModelConfig, TrainConfig
from train.memory import (
    BUCKET,
    KNOWN,
    LIVE,
    Shape,
    activations,
    fit_of,
    layer_bytes,
    lora_parameters,
    read_shape,
    shape_of,
    states,
)
from train.student import load_student

ALONE = DeepSpeedConfig()
PAPER = TrainConfig("paper", 9, 128, 5e-5, 40960, packing=True)


def size(tensors: Any) -> int:
    return sum(t.numel() * t.element_size() for t in tensors)


def test_weights_gradients_and_optimizer_are_those_of_a_step(
    student: ModelConfig, settings: TrainConfig
) -> None:
    model = load_student(Path(student.path), "sdpa")
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.arange(9)[None], labels=torch.arange(9)[None]).loss.backward()
    optimizer.step()
    moments = [t for state in optimizer.state.values() for t in state.values() if t.dim()]
    parameters = model.num_parameters()
    shape = read_shape(model.config.to_dict())
    weights, gradients, adam = states(parameters, shape, settings, ALONE)
    assert weights == size(model.parameters())
    assert gradients == size(p.grad for p in model.parameters())
    assert adam == size(moments)


@pytest.mark.parametrize("mlp", [64, 384])
def test_what_autograd_keeps_of_a_layer_is_counted(mlp: int) -> None:
    """The difference between models of three layers and of one, within a tenth."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    tokens, kept = 300, []
    settings = {
        "vocab_size": 64,
        "hidden_size": 128,
        "intermediate_size": mlp,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "attn_implementation": "sdpa",
    }
    for layers in (1, 3):
        model = Qwen3ForCausalLM(Qwen3Config(num_hidden_layers=layers, **settings))
        own = {p.untyped_storage().data_ptr() for p in model.parameters()}
        found: dict[int, int] = {}

        def keep(tensor: torch.Tensor, own: set[int] = own, found: Any = found) -> torch.Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in own:
                found[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
            out = model(torch.arange(tokens)[None] % 64, use_cache=False)
            kept.append((sum(found.values()), out.logits))
    measured = (kept[1][0] - kept[0][0]) / 2
    shape = Shape(1, 128, 4, 2, 32, mlp, 64)
    assert tokens * layer_bytes(shape, 4) == pytest.approx(measured, rel=0.1)


def test_low_rank_updates_are_counted(student: ModelConfig) -> None:
    peft = pytest.importorskip("peft", reason="pip install -e '.[sft]'")
    model = load_student(Path(student.path), "sdpa")
    shape = read_shape(model.config.to_dict())
    settings = peft.LoraConfig(task_type="CAUSAL_LM", r=8, target_modules="all-linear")
    adapted = peft.get_peft_model(model, settings)
    assert lora_parameters(shape, 8) == adapted.get_nb_trainable_parameters()[0]


def test_known_shapes_have_the_parameters_of_their_names() -> None:
    shape = KNOWN["Qwen/Qwen3-8B"]
    q, kv = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    layer = shape.hidden * (2 * q + 2 * kv + 3 * shape.mlp)
    assert shape.layers * layer + 2 * shape.vocabulary * shape.hidden == pytest.approx(8.2e9, 0.01)


def test_a_model_that_is_here_has_the_shape_of_its_files(
    student: ModelConfig, tmp_path: Path
) -> None:
    said = json.loads((Path(student.path) / "config.json").read_text())
    assert shape_of(student) == read_shape(said)
    assert shape_of(replace(student, path="nobody/nothing")) is None
    experts = said | {"num_experts_per_tok": 4, "moe_intermediate_size": 10}
    assert read_shape(experts).mlp == 40


def test_the_paper_fits_with_zero3_and_not_alone() -> None:
    shape, gpu = KNOWN["Qwen/Qwen3-8B"], 141e9
    assert not fit_of(8.2e9, shape, PAPER, ALONE).fits(gpu)
    by_stage = {
        kind: fit_of(8.2e9, shape, PAPER, DeepSpeedConfig(kind, processes=8))
        for kind in ("zero2", "zero3", "zero3_offload")
    }
    assert by_stage["zero3"].fits(gpu)
    totals = [fit.total for fit in by_stage.values()]
    assert totals == sorted(totals, reverse=True)
    low = replace(PAPER, lora=LoraConfig(rank=8))
    assert fit_of(8.2e9, shape, low, ALONE).total < by_stage["zero2"].total


def test_states_are_those_of_the_zero_paper() -> None:
    """Figure 1 of arXiv 1910.02054: 7.5B parameters, Adam in mixed precision, 64 devices. There
    are no buffers in it."""
    shape = KNOWN["Qwen/Qwen3-8B"]

    def of(kind: Any, devices: int, buffers: float) -> float:
        held = states(7.5e9, shape, PAPER, DeepSpeedConfig(kind, processes=devices))
        return sum(held) - buffers

    reduced, gathered = 2 * 2 * BUCKET, 2 * LIVE
    assert of("zero2", 1, reduced) == pytest.approx(120e9)  # 16 bytes a parameter
    assert of("zero2", 64, reduced) == pytest.approx(16.6e9, rel=0.005)
    assert of("zero3", 64, reduced + gathered) == pytest.approx(1.9e9, rel=0.02)


@pytest.mark.parametrize("devices", [2, 8])
def test_devices_that_share_a_row_hold_a_part_of_it(devices: int) -> None:
    """So many times the length takes each of them as much."""
    shape = KNOWN["Qwen/Qwen3-8B"]
    longer = replace(PAPER, max_length=devices * PAPER.max_length)
    alone = fit_of(8.2e9, shape, PAPER, DeepSpeedConfig("zero3", processes=8))
    shared = DeepSpeedConfig("zero3", processes=8, sequence_parallel=devices)
    assert fit_of(8.2e9, shape, longer, shared) == alone
    # Beyond the heads of keys and values each device has one, as some others do.
    assert layer_bytes(shape, 2, 16) == layer_bytes(shape, 2) + 2 * 8 * shape.head_dim * 2
    assert [shape.shareable(n) for n in (1, 3, 8, 32, 64)] == [True, False, True, True, False]


def test_what_saves_memory_does() -> None:
    shape, tokens = KNOWN["Qwen/Qwen3-8B"], 40960

    def needed(**memory: Any) -> float:
        return activations(8.2e9, shape, replace(PAPER, memory=MemoryConfig(**memory)), tokens)

    assert needed(gradient_checkpointing="off") > 5 * needed()
    assert needed(cross_entropy="whole") > needed() + 40e9
    assert needed(activation_offloading=True) < needed() - 10e9
