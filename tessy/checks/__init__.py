"""What an experiment must be, checked once, before any work.

Each refusal names the value, the place and the mend. What needs one part only stands in that
part's file; here is what relates several.
"""

from __future__ import annotations

import re
import typing
from pathlib import Path

from tessy.checks.questions import check_predictor, check_questions
from tessy.checks.servers import check_local_servers, check_servers
from tessy.checks.training import check_training
from tessy.config import ALONE, STAGES, Experiment, MethodKind, SamplingConfig
from tessy.errors import ConfigError, nearest

__all__ = ["check"]


def check(experiment: Experiment) -> None:
    """Refuse what cannot be: wrong ranges and values that exclude each other.

    Raises:
        ConfigError: naming the option, its value and the mend.
    """
    for stage in experiment.stages:
        if stage not in (*STAGES, *ALONE):
            raise ConfigError(
                f"stage={stage!r} is unknown", nearest(stage, (*STAGES, "all", *ALONE))
            )
    e = experiment
    if not re.fullmatch(r"[\w=-][\w.,=-]*", e.name):
        raise ConfigError(
            f"name={e.name!r} is no name for a folder", "use letters, digits, '-', '_' and '.'"
        )
    if e.tracking.examples < 0:
        raise ConfigError(f"tracking.examples={e.tracking.examples} is negative", "use 0 for none")
    if e.mini.seeds and e.questions.source != "mini":
        raise ConfigError(
            f"mini.seeds={list(e.mini.seeds)} without the miniature world",
            "take experiment=mini or leave mini.seeds empty",
        )
    for option, value in _positive(e).items():
        if value <= 0:
            raise ConfigError(f"{option}={value} must be positive", f"set {option} above 0")
    check_questions(e)
    samplings = {"sampling": e.sampling} | {
        f"benchmarks.{name}.sampling": b.sampling for name, b in e.benchmarks.items()
    }
    for place, sampling in samplings.items():
        _check_sampling(place, sampling)
    check_servers(e)
    check_local_servers(e.serve)
    check_predictor(e)
    check_training(e)
    _check_combinations(e)


def _positive(e: Experiment) -> dict[str, float]:
    """Options whose value must be above 0."""
    return {
        "questions.samples": e.questions.samples,
        "train.epochs": e.train.epochs,
        "train.global_batch": e.train.global_batch,
        "train.micro_batch": e.train.micro_batch,
        "train.learning_rate": min(e.with_all_learning_rates()),
        "train.max_length": e.train.max_length,
        "train.checkpoints_per_epoch": e.train.checkpoints_per_epoch,
        "train.lora.alpha": e.train.lora.alpha,
        "deepspeed.processes": e.deepspeed.processes,
        "deepspeed.nodes": e.deepspeed.nodes,
        "deepspeed.gpu_memory_gb": e.deepspeed.gpu_memory_gb,
        "engine.batch_size": e.engine.batch_size,
        "serve.stall_seconds": e.serve.stall_seconds,
        "serve.patience_seconds": e.serve.patience_seconds,
        "sampling.max_tokens": e.sampling.max_tokens,
        "judge.workers": e.judge.workers,
        "judge.cpu_seconds": e.judge.cpu_seconds,
        "judge.memory_mb": e.judge.memory_mb,
        "judge.output_kb": e.judge.output_kb,
        "judge.processes": e.judge.processes,
        "report.bootstrap": e.report.bootstrap,
        **{f"methods.{name}.span_tokens": m.span_tokens for name, m in e.methods.items()},
        **{f"methods.{name}.candidates": m.candidates for name, m in e.methods.items()},
        **{f"benchmarks.{name}.runs": b.runs for name, b in e.benchmarks.items()},
        **{
            f"benchmarks.{name}.sampling.max_tokens": b.sampling.max_tokens
            for name, b in e.benchmarks.items()
        },
    }


def _check_sampling(place: str, sampling: SamplingConfig) -> None:
    if sampling.temperature < 0:
        raise ConfigError(
            f"{place}.temperature={sampling.temperature} is negative", "use 0 for greedy decoding"
        )
    if not 0 < sampling.top_p <= 1:
        raise ConfigError(f"{place}.top_p={sampling.top_p} is outside (0, 1]", "use 1.0 for no cut")
    if sampling.top_k < 0:
        raise ConfigError(f"{place}.top_k={sampling.top_k} is negative", "use 0 for no cut")


def _check_combinations(e: Experiment) -> None:
    if not e.methods and not e.direct:
        raise ConfigError("no method is chosen", "set method=tessy")
    if not e.benchmarks:
        raise ConfigError(
            "no benchmark is chosen", "set benchmark=mini or benchmark=[lcb_pro,ojbench]"
        )
    for key in e.direct:
        if key not in (*typing.get_args(MethodKind), *e.methods):
            raise ConfigError(
                f"direct={list(e.direct)} names the unknown method {key!r}",
                nearest(key, typing.get_args(MethodKind)),
            )
    _check_hub(e)
    if len(set(e.worlds)) != len(e.worlds) or len(set(e.sft_seeds)) != len(e.sft_seeds):
        raise ConfigError(
            f"mini.seeds={list(e.worlds)}, sft_seeds={list(e.sft_seeds)} repeat a seed",
            "name each seed once; a repeated one is not new evidence",
        )
    mini = {f"benchmark {name}": b.kind == "mini" for name, b in e.benchmarks.items()}
    if e.questions.source != "file":  # one's own questions go with either
        mini["questions"] = e.questions.source == "mini"
    for role, model in (("student", e.student), ("author", e.author), ("teacher", e.teacher)):
        if not Path(model.path).is_dir():  # a folder may hold a miniature model made anew
            mini[f"{role} {model.name}"] = model.path.startswith("mini:")
    if len(set(mini.values())) > 1:
        inside = ", ".join(k for k, v in mini.items() if v)
        outside = ", ".join(k for k, v in mini.items() if not v)
        raise ConfigError(
            f"{inside} belong to the miniature world, {outside} do not",
            "take all of them from it (experiment=mini) or none",
        )


def _check_hub(e: Experiment) -> None:
    if "push" in e.stages and not re.fullmatch(r"[\w-]+", e.hub.owner):
        raise ConfigError(
            f"stage=push with hub.owner={e.hub.owner!r}",
            "set hub.owner=NAME, who owns what is made",
        )
