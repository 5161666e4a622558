"""A model that was trained on divided weights is served as it was written."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from tessy.checkpoints import locate
from tessy.config import DeepSpeedConfig, ModelConfig, TrainConfig
from tessy.dialects import load_dialect
from tessy.engines import ModelSpec
from tessy.engines.serving import local_servers
from tessy.records import Message
from tests.train.conftest import trajectory, write
from tests.vllm.conftest import SERVE
from tests.vllm.test_servers import ask
from train.curve import read_curve
from train.run import finetune

pytest.importorskip("deepspeed", reason="pip install -e '.[sft]'")

STUDENT = ModelConfig("mini", "mini:student", "qwen3", 0.88e6, 0.88e6, 1024)
TRAIN = TrainConfig("tiny", 2, 4, 1e-3, 1024, precision="fp32", packing=True)


@pytest.mark.timeout(600)  # two processes start, then a server
def test_a_model_of_zero3_generates_in_vllm_what_it_generates_in_transformers(
    tmp_path: Path,
) -> None:
    data = write(tmp_path / "t.jsonl", [trajectory(n) for n in range(8)])
    folder = tmp_path / "sft"
    finetune(data, STUDENT, TRAIN, 1e-3, 0, folder, "sft", DeepSpeedConfig("zero3", processes=2))
    losses = [line["loss"] for line in read_curve(folder / "curve.jsonl")]
    assert len(losses) == 4 and losses[-1] < losses[0] - 0.2

    model = AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.float32)
    dialect = load_dialect("qwen3", folder / "model")
    prompts = [dialect.prompt_ids([Message("user", f"Print the {n}.")]) for n in ("sum", "list")]
    wanted = [
        model.generate(torch.tensor([prompt]), max_new_tokens=60, do_sample=False)[0].tolist()
        for prompt in prompts
    ]
    said = asyncio.run(served(folder / "model", prompts, tmp_path))
    for prompt, whole, choice in zip(prompts, wanted, said, strict=True):
        assert choice["token_ids"] == whole[len(prompt) :]
        assert all(math.isfinite(p) for p in choice["logprobs"]["token_logprobs"])
    untrained = AutoModelForCausalLM.from_pretrained(locate(STUDENT.path), dtype=torch.float32)
    before = untrained.generate(torch.tensor(prompts[:1]), max_new_tokens=60, do_sample=False)
    assert before[0].tolist() != wanted[0], "what is served is what was trained"


async def served(model: Path, prompts: list[list[int]], logs: Path) -> list[dict]:
    spec = {"student": ModelSpec(str(model), 1024)}
    async with local_servers(spec, {"student": model}, SERVE, logs) as servers:
        url = servers.urls["student"][0]
        asked = {"model": str(model), "max_tokens": 60, "logprobs": 0}
        return [await asyncio.to_thread(ask, url, prompt=p, **asked) for p in prompts]
