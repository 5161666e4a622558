"""What local servers serve is what the in-process engine generates, token for token."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import re
import signal
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from tessy.checkpoints import locate
from tessy.config import (
    EngineConfig,
    Experiment,
    QuestionsConfig,
    SamplingConfig,
    ServeConfig,
)
from tessy.dialects import load_dialect
from tessy.engines import Request, complete, open_engines
from tessy.engines.serving import Servers
from tessy.pipeline.graph import build
from tessy.pipeline.requirements import missing
from tessy.questions import mini
from tessy.records import Message, Trajectory, Writer, read_jsonl
from tessy.synthesis.run import synthesize
from tests.pipeline.conftest import composed
from tests.synthesis.plain import tessy
from tests.synthesis.test_plain import SETUP, plain_roles, spans
from tests.vllm.conftest import MODELS

__all__ = ["composed"]

DIALECTS: dict[Writer, str] = {"student": "qwen3", "teacher": "gpt_oss"}
QUESTIONS, _ = mini.load(QuestionsConfig("mini", 24, 24), 0)
VLLM = dataclasses.replace(SETUP.engine, kind="vllm", batch_size=8)


def prompts(role: Writer, n: int) -> list[tuple[int, ...]]:
    dialect = load_dialect(DIALECTS[role], locate(str(MODELS[role].path)))
    return [
        (*dialect.prompt_ids([Message("user", q.prompt)]), *dialect.open_ids) for q in QUESTIONS[:n]
    ]


def ask(url: str, **fields: Any) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{url}/v1/completions",
        json.dumps(fields | {"temperature": 0, "return_token_ids": True}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        choice: dict[str, Any] = json.load(answer)["choices"][0]
    return choice


@pytest.mark.parametrize("role", ["student", "teacher"])
def test_prompts_are_token_ids_and_log_probabilities_are_those_of_transformers(
    servers: Servers, role: Writer
) -> None:
    folder = locate(str(MODELS[role].path))
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    for prompt in prompts(role, 3):
        said = ask(
            servers.urls[role][0],
            model=f"mini:{role}",
            prompt=prompt,
            max_tokens=300,  # beyond the teacher's sliding window
            ignore_eos=True,
            logprobs=0,
        )
        ids = said["token_ids"]
        assert said["prompt_token_ids"] == list(prompt) and len(ids) == 300
        with torch.inference_mode():
            logits = model(torch.tensor([[*prompt, *ids]])).logits[0, len(prompt) - 1 : -1]
        assert logits.argmax(-1).tolist() == ids
        own = logits.log_softmax(-1)[range(len(ids)), ids]
        assert torch.allclose(own, torch.tensor(said["logprobs"]["token_logprobs"]), atol=1e-3)


def test_the_engine_over_http_generates_what_the_one_in_this_process_does(
    external: ServeConfig, tmp_path: Path
) -> None:
    async def generate(config: EngineConfig) -> dict[Writer, list[Any]]:
        async with open_engines(MODELS, config, external, 8, tmp_path) as engines:
            done = {}
            for role, engine in engines.items():
                dialect = load_dialect(DIALECTS[role], locate(str(MODELS[role].path)))
                requests = [
                    Request(p, SamplingConfig(0.0), 400, dialect.stop_ids, f"{role}{n}", 0)
                    for n, p in enumerate(prompts(role, 6))
                ]
                done[role] = await asyncio.gather(*(complete(engine, r) for r in requests))
            return done

    want = asyncio.run(generate(SETUP.engine))
    assert {c.finish for of_role in want.values() for c in of_role} >= {"stop"}
    assert asyncio.run(generate(VLLM)) == want


def test_greedy_trajectories_over_vllm_are_those_of_the_plain_algorithm(
    external: ServeConfig, tmp_path: Path
) -> None:
    roles = plain_roles()
    asked = QUESTIONS[:4]
    want = [tessy(roles, q.prompt, 512) for q in asked]
    setup = dataclasses.replace(SETUP, engine=VLLM, serve=external)
    synthesize(asked, [(q.question_id, 0) for q in asked], setup, tmp_path, "tessy")
    done = read_jsonl(tmp_path / "trajectories.jsonl", Trajectory)
    assert [spans(t) for t in done] == want


def listener(port: str) -> int:
    """The process that was started to serve at a port."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_text().split("\0")
        except OSError:
            continue
        if f"--port={port}" in command and command[1] == "-m":
            return int(folder.name)
    raise AssertionError(f"nothing serves at port {port}")


def test_a_server_killed_in_mid_span_comes_back_and_every_sample_ends_once(
    servers: Servers, external: ServeConfig, tmp_path: Path
) -> None:
    samples = [(q.question_id, n) for q in QUESTIONS for n in range(2)]
    setup = dataclasses.replace(
        SETUP, engine=VLLM, serve=external, sampling=SamplingConfig(0.6, max_tokens=512)
    )
    before = servers.counts["teacher"]["server_restarts"]
    pid = listener(servers.urls["teacher"][0].rsplit(":", 1)[1])
    journal = tmp_path / "journal.jsonl"

    async def kill() -> None:
        while not journal.exists() or journal.read_bytes().count(b"\n") < 30:
            await asyncio.sleep(0.01)
        os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=lambda: asyncio.run(kill()))
    killer.start()
    counts = synthesize(QUESTIONS, samples, setup, tmp_path, "tessy")
    killer.join()
    assert servers.counts["teacher"]["server_restarts"] == before + 1
    assert counts["teacher.retries"] > 0
    assert counts["samples"] == len(samples) and counts["failed"] == 0
    done = list(read_jsonl(tmp_path / "trajectories.jsonl", Trajectory))
    assert [t.key for t in done] == samples


def test_a_plan_asks_external_servers_what_they_serve(
    external: ServeConfig, composed: Callable[..., Experiment]
) -> None:
    urls = [f"serve.{role}.urls=[{external.of(role).urls[0]}]" for role in MODELS]
    e = composed("experiment=mini", "engine=vllm", "serve=external", *urls)
    said = missing(e, [node for node in build(e) if node.stage in ("questions", "synthesize")])
    assert said == []
    (base, trained, *_) = [node for node in build(e) if node.stage == "evaluate"]
    assert missing(e, [base]) == []
    (said_of_trained,) = missing(e, [trained])
    assert re.fullmatch(
        r"the student \S*outputs/artifacts/sft/\S+/model, for evaluate \S+: http://127.0.0.1:\d+ "
        r"serves 'mini:student'; evaluate it with serve=local",
        said_of_trained,
    )
    swapped = ServeConfig("external", external.teacher, external.student)
    assert len(missing(dataclasses.replace(e, serve=swapped), [base])) == 1
