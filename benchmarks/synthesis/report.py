"""The figures as a table and as one JSON object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.synthesis.kill import Loss
from benchmarks.synthesis.loopback import Cost
from benchmarks.synthesis.measure import Figures

_NAMES = {
    "oracle": "an oracle that knows the spans",
    "ours": "spans streamed",
    "many": "the same, 256 in flight",
    "lockstep": "lock step, k = 10/5",
    "lockstep_many": "lock step, 256 in the pool",
    "lockstep_dear": "lock step, slow tokenizer",
    "small_room": "spans streamed, 710k tokens of room",
    "crowded": "the same, without admission",
    "whole_words": "spans streamed, predictors of whole words",
    "drafts": "drafts of k = 20 without streaming",
    "midst": "in the midst of a long synthesis: spans streamed",
    "midst_lockstep": "there: lock step",
    "midst_many": "there: spans streamed, 256 in flight",
    "midst_lockstep_many": "there: lock step, 256 in the pool",
}


def table(runs: Mapping[str, Figures], limits: Mapping[str, float]) -> str:
    lines = [
        "| orchestration | kept tok/s | of the limit | thrown away | with those until an abort "
        "| requests/ktok | idle s/t |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, title in _NAMES.items():
        if (run := runs.get(name)) is not None:
            idle = f"{run.idle['student']:.0%} / {run.idle['teacher']:.0%}"
            lines.append(
                f"| {title} | {run.rate:.0f} | {run.rate / limits[name]:.0%} "
                f"| {run.received_waste:.1%} | {run.waste:.1%} "
                f"| {run.requests_per_ktok:.0f} | {idle} |"
            )
    return "\n".join(lines)


def summary(
    runs: Mapping[str, Figures], limits: Mapping[str, float], loss: Loss, client: Cost
) -> dict[str, Any]:
    """The figures by the names that they are known by."""
    ours, many, lock = runs["ours"], runs["many"], runs["lockstep"]
    return {
        "speedup_vs_lockstep": round(ours.rate / lock.rate, 3),
        "fraction_of_limit": round(ours.rate / limits["ours"], 3),
        "waste": round(ours.received_waste, 4),
        "speedup_vs_lockstep_256": round(many.rate / lock.rate, 3),
        "client_cpu_ms_per_ktok": round(client.total, 1),
        "requests_per_ktok": round(ours.requests_per_ktok, 1),
        "prefill_per_kept_token": round(ours.prefilled / ours.kept, 3),
        "work_lost_at_kill_tokens": loss.total,
        "work_lost_at_kill_most_of_a_sample": loss.most,
        "text_is_the_same_after_kill": loss.same,
        "waste_generated": round(ours.waste, 4),
        "fraction_of_oracle": round(ours.rate / runs["oracle"].rate, 3),
        "fraction_of_limit_256": round(many.rate / limits["many"], 3),
        "waste_256": round(many.received_waste, 4),
        "waste_generated_256": round(many.waste, 4),
        "client_cpu_user_ms_per_ktok": round(client.user, 1),
        "client_kept_tokens_per_s": round(client.rate),
        "abort_lag_tokens": round(ours.lag_tokens / ours.aborts, 2),
        "predictor_latency_ms": round(ours.predictor_ms, 2),
        **{
            f"speedup_vs_lockstep_{name}": round(runs[name].rate / runs["midst_lockstep"].rate, 3)
            for name in ("midst", "midst_many")
            if name in runs
        },
        "kept_tokens_per_s": {name: round(run.rate) for name, run in runs.items()},
        "limit_tokens_per_s": round(limits["ours"]),
        "limit_tokens_per_s_256": round(limits["many"]),
        "idle_share": {name: _rounded(run.idle) for name, run in runs.items()},
        "low_batch_share": {name: _rounded(run.low) for name, run in runs.items()},
        "evicted_tokens": {name: run.evicted_tokens for name, run in runs.items()},
    }


def _rounded(shares: Mapping[Any, float]) -> dict[str, float]:
    return {role: round(share, 3) for role, share in shares.items()}
