"""`python -m benchmarks.synthesis`: all measurements, a table, and one JSON object as last line."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from typing import Any

from benchmarks.synthesis.jobs import (
    run_client,
    run_kill,
    run_limit,
    run_lockstep,
    run_oracle,
    run_ours,
)
from benchmarks.synthesis.measure import Figures, Window
from benchmarks.synthesis.ours import Orchestration
from benchmarks.synthesis.report import summary, table
from benchmarks.synthesis.times import FrontEnd

ROOM, SMALL_ROOM = 2_000_000, 710_000  # tokens of keys and values that the student's server holds
MIDST = 100.0  # virtual seconds after which all prefixes are in the caches again
MIDST_ENDS, LOCKSTEP_ENDS = 200.0, 600.0  # until so many finish that one more hardly matters
DEAR_TEXT = 1.2e-3  # milliseconds for a token of a text prompt by a slow tokenizer


def main() -> None:
    options = _options()
    jobs = _jobs(options)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.processes, mp_context=spawn) as pool:
        futures = {name: pool.submit(job) for name, job in jobs.items()}
        done = {name: _wait(name, future) for name, future in futures.items()}
    done["client"] = run_client(options.interval)  # alone, since it is measured on real time
    runs = {name: run for name, run in done.items() if isinstance(run, Figures)}
    limits = {name: done[_limit_of(name)] for name in runs}
    print(table(runs, limits))
    print(json.dumps(summary(runs, limits, done["kill"], done["client"])))


def _jobs(options: argparse.Namespace) -> dict[str, Callable[[], Any]]:
    """By name, the longest first."""
    n, many, scale = options.samples, options.many, options.scale
    front = FrontEnd(stream_interval=options.interval)
    ours = Orchestration(n)
    jobs: dict[str, Callable[[], Any]] = {
        # Twice as many as are in flight: all at once would reach the end of their length, and
        # of the servers' room, together, which those of a long synthesis do not.
        "many": partial(run_ours, 2 * many, Orchestration(many), front, scale, ROOM),
        "ours": partial(run_ours, n, ours, front, scale, ROOM),
        "small_room": partial(run_ours, n, ours, front, scale, SMALL_ROOM),
        "lockstep": partial(run_lockstep, n, front, scale, n),
        "oracle": partial(run_oracle, n, scale),
        # Shorter samples, killed in the middle of their thinking.
        "kill": partial(run_kill, n, front, 0.1 * scale, 15 * scale),
        "limit_many": partial(run_limit, 2 * many, many, scale),
        "limit": partial(run_limit, n, n, scale),
    }
    if options.full:
        crowded, drafts = Orchestration(n, admission=False), Orchestration(n, streams=False)
        jobs |= {
            "lockstep_many": partial(run_lockstep, many, front, scale, many),
            "lockstep_dear": partial(run_lockstep, n, FrontEnd(text_token=DEAR_TEXT), scale, n),
            "crowded": partial(run_ours, n, crowded, front, scale, SMALL_ROOM),
            "whole_words": partial(
                run_ours, n, Orchestration(n, label_shift=0), front, scale, ROOM
            ),
            "drafts": partial(run_ours, n, drafts, front, scale, ROOM),
        }
        jobs |= _midst(n, "", front, scale) | _midst(many, "_many", front, scale)
    return jobs


def _midst(n: int, name: str, front: FrontEnd, scale: float) -> dict[str, Callable[[], Any]]:
    """In the midst of a long synthesis: `n` samples in flight, each somewhere in its thinking."""
    window, longer = (Window(MIDST * scale, end * scale) for end in (MIDST_ENDS, LOCKSTEP_ENDS))
    how = Orchestration(n, window=window)
    total = 2 * n  # enough for others to follow those that end
    return {
        f"midst{name}": partial(run_ours, total, how, front, scale, ROOM, n),
        f"midst_lockstep{name}": partial(run_lockstep, total, front, scale, n, longer, n),
        f"limit_midst{name}": partial(run_limit, total, n, scale, window, n),
    }


def _limit_of(run: str) -> str:
    """The limit that a run is compared with."""
    return f"limit{'_midst' * ('midst' in run)}{'_many' * ('many' in run)}"


def _wait(name: str, future: Future[Any]) -> Any:
    result = future.result()
    print(f"{name}: {result}", flush=True)
    return result


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.synthesis", description=__doc__)
    parser.add_argument("--samples", type=int, default=100, help="samples, all in flight")
    parser.add_argument(
        "--many",
        type=int,
        default=256,
        help="in flight in the larger run",
    )
    parser.add_argument("--scale", type=float, default=1.0, help="of the samples' lengths")
    parser.add_argument("--interval", type=int, default=0, help="serve.stream_interval")
    parser.add_argument("--full", action="store_true", help="run the comparisons too")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="at once")
    return parser.parse_args()


if __name__ == "__main__":
    main()
