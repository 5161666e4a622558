"""On a GPU: how much of its matrix rate training reaches, and the memory it takes.

Layers of Qwen3-8B's shape with random weights, as many as fit, in bf16 on packed rows of 16K and
40K tokens, against TRL's stock settings on samples of the same lengths in the same process.
"""

from __future__ import annotations

import gc
import json
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.sft.data import paper_lengths, random_samples
from tessy.checkpoints import MINI
from tessy.config import DeepSpeedConfig, TrainConfig
from train.callbacks import Schedule
from train.checkpoints import copy_tokenizer
from train.curve import CURVE, read_curve
from train.fit import prepare_trainer
from train.flops import Flops
from train.isolation import isolated
from train.job import PREPARED, Job
from train.memory import KNOWN, Shape, fit_of, read_shape

ROWS = (16_384, 40_960)  # tokens
STEPS, WARM_UP = 8, 3  # of one row each; the first ones choose kernels and compile
MEMORY = 0.85  # of the GPU's, that the layers are chosen for
VOCABULARY = 151_936


def gpu(folder: Path) -> dict[str, Any]:
    """`gpu_mfu` and `gpu_peak_memory_error` are the worse of both lengths; null without a GPU."""
    nothing: dict[str, Any] = {"gpu_mfu": None, "gpu_peak_memory_error": None}
    if not torch.cuda.is_available():
        return nothing
    rate = matrix_rate()
    runs = {str(row): _run(row, rate, folder / str(row)) for row in ROWS}
    return {
        "gpu": torch.cuda.get_device_name(),
        "gpu_matrix_tflops": rate / 1e12,
        "gpu_runs": runs,
        "gpu_mfu": min(run["mfu"] for run in runs.values()),
        "gpu_peak_memory_error": max(run["memory_error"] for run in runs.values()),
    }


def matrix_rate(size: int = 8192, repeats: int = 30) -> float:
    """bf16 operations a second that the card reaches on one large product, the best of five."""
    a, b = (torch.randn(size, size, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    best = 0.0
    for _ in range(5):
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(repeats):
            torch.mm(a, b)
        torch.cuda.synchronize()
        best = max(best, 2 * size**3 * repeats / (time.perf_counter() - began))
    return best


def _run(row: int, rate: float, folder: Path) -> dict[str, float]:
    config = TrainConfig(
        "bench", 1, global_batch=1, learning_rate=1e-5, max_length=row, packing=True
    )
    layers, parameters = _layers(config)
    _write_model(folder / "model-random", layers)
    # Each step trains one row: as many samples of the paper's lengths as fill it.
    lengths = paper_lengths(8 * STEPS, row // 2)
    of_row = max(1, row // (sum(lengths) // len(lengths)))
    config = replace(config, global_batch=of_row)
    random_samples(lengths[: of_row * STEPS], VOCABULARY, folder / PREPARED)
    job = Job(
        str(folder / "model-random"),
        str(folder),
        f"{layers} layers, rows of {row}",
        config,
        DeepSpeedConfig(),
        parameters,
        1e-5,
        0,
    )
    measured = _measure(job, rate)
    stock = _stock(job, lengths[: of_row * STEPS], rate)
    shutil.rmtree(folder)
    said = fit_of(parameters, _shape(layers), config, job.deepspeed)
    planned = said.total - said.reserved
    return measured | {
        "layers": layers,
        "planned_gb": planned / 1e9,
        "memory_error": abs(planned / 1e9 / measured["memory_gb"] - 1),
        **{f"stock_{name}": value for name, value in stock.items()},
    }


def _layers(config: TrainConfig) -> tuple[int, float]:
    """How many layers of Qwen3-8B the GPU can train alone, and their parameters."""
    room = torch.cuda.get_device_properties(0).total_memory * MEMORY
    layers = 1
    while (
        layers < 36
        and fit_of(_parameters(layers + 1), _shape(layers + 1), config, DeepSpeedConfig()).total
        <= room
    ):
        layers += 1
    return layers, _parameters(layers)


def _shape(layers: int) -> Shape:
    return replace(KNOWN["Qwen/Qwen3-8B"], layers=layers)


def _parameters(layers: int) -> float:
    shape = _shape(layers)
    q, kv = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    a_layer = shape.hidden * (2 * q + 2 * kv + 3 * shape.mlp)
    return float(layers * a_layer + 2 * shape.vocabulary * shape.hidden)


def _write_model(folder: Path, layers: int) -> None:
    from transformers import Qwen3Config, Qwen3ForCausalLM

    shape = _shape(layers)
    config = Qwen3Config(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.mlp,
        num_hidden_layers=layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head_dim,
        max_position_embeddings=ROWS[-1],
        tie_word_embeddings=False,
    )
    assert read_shape(config.to_dict()) == shape
    with torch.device("cuda"):
        model: Any = Qwen3ForCausalLM(config)
    model.to(torch.bfloat16)
    model.save_pretrained(folder)
    copy_tokenizer(MINI / "student", folder)  # the trainer looks up the padding's id in it


def _measure(job: Job, rate: float) -> dict[str, float]:
    _forget()
    with isolated():
        trainer, progress = prepare_trainer(job, devices=1, rank=0)
        trainer.remove_callback(Schedule)  # a checkpoint may be larger than the disk
        trainer.train()
        progress.close()
        lengths, steps = trainer.prepared.lengths, trainer.batches.steps(0)[WARM_UP:]
        work = sum(trainer.flops.of(lengths[sample] for sample in step) for step in steps)
    lines = read_curve(job.path(CURVE))[WARM_UP:]
    seconds = sum(line["tokens"] / line["tokens_per_second"] for line in lines)
    return {
        "tokens_per_second": sum(line["tokens"] for line in lines) / seconds,
        "mfu": work / seconds / rate,
        "memory_gb": lines[-1]["memory_gb"],
    }


def _stock(job: Job, lengths: list[int], rate: float) -> dict[str, float]:
    """TRL as it comes, but for rows of the same tokens that it does not cut: bf16, one sample a
    forward pass, recomputing on.
    """
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    _forget()
    ids = torch.randint(10, VOCABULARY, (max(lengths),)).tolist()
    rows = Dataset.from_dict({"input_ids": [ids[:n] for n in lengths]})
    rows = rows.add_column("labels", rows["input_ids"])
    steps = len(lengths)
    with isolated():
        model = AutoModelForCausalLM.from_pretrained(job.source, dtype=torch.float32)
        flops = Flops(model.config)
        trainer = SFTTrainer(
            model=model,
            args=SFTConfig(
                output_dir=str(job.path("stock")),
                dataset_kwargs={"skip_prepare_dataset": True},
                max_length=None,
                per_device_train_batch_size=1,
                max_steps=steps,
                save_strategy="no",
                report_to=[],
                disable_tqdm=True,
                seed=0,
            ),
            train_dataset=rows,
            processing_class=AutoTokenizer.from_pretrained(job.source),
        )
        trainer.remove_callback(PrinterCallback)
        torch.cuda.synchronize()
        began = time.perf_counter()
        trainer.train()
        torch.cuda.synchronize()
        seconds = time.perf_counter() - began
        work = flops.of(lengths)
    return {
        "tokens_per_second": sum(lengths) / seconds,
        "mfu": work / seconds / rate,
        "memory_gb": torch.cuda.max_memory_allocated() / 1e9,
    }


def _forget() -> None:
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()


def describe(found: dict[str, Any]) -> str:
    """The runs, one a line."""
    return "\n".join(f"{row} tokens: {json.dumps(run)}" for row, run in found.items())
