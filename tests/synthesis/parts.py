"""Synthesis with tiny models, as the tests run it."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from tessy.config import (
    EngineConfig,
    MethodConfig,
    ModelConfig,
    PredictorConfig,
    SamplingConfig,
    ServeConfig,
)
from tessy.records import Question, Trajectory, Writer, read_jsonl
from tessy.synthesis.cast import Setup
from tessy.synthesis.parts import Sources
from tessy.synthesis.run import synthesize

QUESTIONS = [
    Question(f"q{i}", f"Print the sum of the numbers that are {word}.", "test")
    for i, word in enumerate(("even", "odd", "large", "small", "prime", "<think>"))
]
PROMPTS = {q.question_id: q.prompt for q in QUESTIONS}
SAMPLES = [("q3", 0), ("q0", 0), ("q0", 1), ("q1", 0), ("q5", 0), ("q4", 2)]
ROOMY: dict[str, Any] = {"limit": 200, "context": 2048}


def models_of(
    tiny: dict[str, Path],
    context: int = 512,
    predictors: tuple[str, str] = ("predictor", "predictor"),
) -> tuple[dict[Writer, ModelConfig], PredictorConfig]:
    models: dict[Writer, ModelConfig] = {
        "student": ModelConfig("student", str(tiny["student"]), "qwen3", 1e5, 1e5, context),
        "teacher": ModelConfig("teacher", str(tiny["teacher"]), "gpt_oss", 1e5, 1e5, context),
    }
    return models, PredictorConfig("tiny", "checkpoint", *(str(tiny[p]) for p in predictors))


def biased(tiny: dict[str, Path], folder: Path, style: bool) -> Path:
    """The predictor, made to say the same of every token."""
    shutil.copytree(tiny["predictor"], folder)
    weights = load_file(folder / "model.safetensors")
    weights["score.bias"] = torch.tensor([0.0, 1e4 if style else -1e4])
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def setup_of(
    tiny: dict[str, Path],
    kind: str = "tessy",
    k: int = 20,
    rows: int = 4,
    limit: int = 120,
    context: int = 512,
    predictors: tuple[str, str] = ("predictor", "predictor"),
    seed: int = 5,
    final_answer: Any = "student",
    stream: bool = True,
    temperature: float = 0.9,
    candidates: int = 5,
) -> Setup:
    models, predictor = models_of(tiny, context, predictors)
    return Setup(
        MethodConfig(kind, kind, k, final_answer, candidates),  # type: ignore[arg-type]
        models["student"],
        models["teacher"],
        predictor,
        EngineConfig("transformers", "cpu", rows, 1, stream),
        ServeConfig(),
        SamplingConfig(temperature, max_tokens=limit),
        seed,
    )


def run(
    tiny: dict[str, Path],
    folder: Path,
    kind: str = "tessy",
    samples: list[tuple[str, int]] = SAMPLES,
    sources: Sources | None = None,
    **options: Any,
) -> tuple[list[Trajectory], dict[str, float]]:
    """All of `synthesize` in `folder`; the stored trajectories and the counts."""
    folder.mkdir(exist_ok=True, parents=True)
    counts = synthesize(QUESTIONS, samples, setup_of(tiny, kind, **options), folder, kind, sources)
    return list(read_jsonl(folder / "trajectories.jsonl", Trajectory)), counts


def law(done: list[Trajectory]) -> list[Trajectory]:
    """Trajectories without what depends on timing: seconds, and tokens beyond a cut."""
    return [
        dataclasses.replace(
            t, seconds=0.0, tokens={k: n for k, n in t.tokens.items() if k.endswith("_kept")}
        )
        for t in done
    ]
