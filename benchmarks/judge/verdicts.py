"""Whether a time limit falls the same way however busy the machine is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.judge.programs import SPIN, build
from eval.judge.sandbox import run_tests
from eval.judge.spec import Limits, TestRun

SECONDS = 0.25  # the CPU limit
RUNS = 50
WORKERS = (1, 2, 4)
LIMITS = Limits(SECONDS, 3 * SECONDS + 2, 64, 64, 4)


def measure(quick: bool) -> dict[str, Any]:
    runs = RUNS // 10 if quick else RUNS
    program = build(SPIN)
    steps = 10_000_000
    generous = Limits(60, 600, 64, 64, 4)
    # The least of many: what the work takes without neighbours.
    trials = run_tests(program, [b"%d" % steps] * 20, generous)
    steps_a_second = steps / min(run.cpu_ms for run in trials) * 1000
    shares = {0.7: "accepted", 1.3: "time_limit"}
    table: dict[str, Any] = {}
    for workers in WORKERS:

        def run(share: float) -> tuple[float, TestRun]:
            stdin = b"%d" % int(share * SECONDS * steps_a_second)
            return share, run_tests(program, [stdin], LIMITS)[0]

        with ThreadPoolExecutor(workers) as pool:
            got = list(pool.map(run, list(shares) * runs))
        table[str(workers)] = {
            "right": sum(r.verdict == shares[share] for share, r in got),
            "runs": len(got),
            "repeated": sum(r.repeated for _, r in got),
        }
    stable = all(row["right"] == row["runs"] for row in table.values())
    return {"time_verdicts_stable": stable, "time_verdicts": table}
