"""Submissions of OJBench's kind: 50 small tests each, 2 workers, compilation included."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.judge.cost import cpu_seconds
from benchmarks.judge.programs import LIMITS, SORT_CPP, SORT_PYTHON, build, sort_test
from eval.judge.sandbox import run_tests
from eval.judge.spec import Program, TestRun

TESTS, WORKERS, SUBMISSIONS = 50, 2, 40


def measure(quick: bool) -> dict[str, Any]:
    submissions = SUBMISSIONS // 5 if quick else SUBMISSIONS
    tests = [sort_test(100, seed) for seed in range(TESTS)]
    build(SORT_CPP)  # makes the precompiled header, as the first submission ever would
    found: dict[str, Any] = {}
    for language in ("cpp", "pypy"):
        stamp = time.time_ns()  # so that nothing is in the cache

        def judge(number: int, language: str = language, stamp: int = stamp) -> int:
            mark = f"{stamp} {number}\n"
            if language == "cpp":
                program = build(f"{SORT_CPP}// {mark}")
            else:
                program = Program("pypy", f"{SORT_PYTHON}# {mark}")

            def failed(index: int, run: TestRun) -> bool:
                return run.verdict != "accepted" or run.stdout.split() != tests[index][1].split()

            runs = run_tests(program, [stdin for stdin, _ in tests], LIMITS, failed)
            assert len(runs) == TESTS and not failed(TESTS - 1, runs[-1]), runs[-1]
            return len(runs)

        started, used = time.perf_counter(), cpu_seconds()
        with ThreadPoolExecutor(WORKERS) as pool:
            cases = sum(pool.map(judge, range(submissions)))
        seconds = time.perf_counter() - started
        found[f"ojbench_{language}_cases_per_s"] = round(cases / seconds, 1)
        found[f"ojbench_{language}_cases_per_cpu_s"] = round(cases / (cpu_seconds() - used), 1)
    return found
