"""`python -m benchmarks.judge`: measure the sandbox on this machine.

Options: `--only NAME,...` of cost, throughput, leaks, verdicts; `--quick` for a tenth of the work.
The last line is one JSON object:

| field | what |
| --- | --- |
| cpp_test_cost_ratio | one more test of a static C++ program over fork + exec + wait from C, by the clock: least of many rounds of either, taken in turn |
| cpp_test_cpu_ratio | the same in CPU time of all processes, which a busy machine distorts less |
| python_test_ms, pypy_test_ms | one more test of a Python program in a warm interpreter, the clock |
| ojbench_cpp_cases_per_s, ojbench_pypy_cases_per_s | 50 small tests a submission, 2 workers, compilation included |
| ojbench_cpp_cases_per_cpu_s, ojbench_pypy_cases_per_cpu_s | the same by CPU time: times 2 is what 2 idle cores reach |
| leaks | processes, mounts, cgroups, files, shared memory, descriptors left by 1,000 submissions |
| parent_growth_kb | how much the judge's own memory grew over the second half of them |
| time_verdicts_stable | whether programs at 0.7 and 1.3 of their CPU limit all got their verdicts |
| time_verdicts | for each number of workers: right verdicts, runs, and repetitions |
"""  # noqa: E501

from __future__ import annotations

import argparse
import json
import logging
import os
from collections.abc import Callable
from typing import Any

from benchmarks.judge import cost, leaks, throughput, verdicts
from eval.judge.languages import missing
from eval.judge.sandbox import check_isolation

PARTS: dict[str, Callable[[bool], dict[str, Any]]] = {
    "cost": cost.measure,
    "throughput": throughput.measure,
    "leaks": leaks.measure,
    "verdicts": verdicts.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.judge", description=__doc__)
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    arguments = parser.parse_args()
    logging.basicConfig(format="%(message)s")
    for language in ("cpp", "pypy"):
        if missing(language):
            parser.error(f"this machine lacks {missing(language)}")
    isolation = check_isolation()
    found: dict[str, Any] = {"isolation": isolation.kind, "cores": os.cpu_count()}
    for name in arguments.only.split(","):
        found["load"] = max(found.get("load", 0.0), round(os.getloadavg()[0], 1))
        part = PARTS[name](arguments.quick)
        print(f"{name}: {json.dumps(part)}", flush=True)
        found |= part
    print(json.dumps(found))


main()
