"""What one more test costs, against the least that starting a program can cost."""

from __future__ import annotations

import resource
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.judge.programs import HELLO, LIMITS, SORT_PYTHON, build, sort_test
from eval.judge.sandbox import run_tests
from eval.judge.spec import Program

TESTS = 100  # a round
ROUNDS = 16


def measure(quick: bool) -> dict[str, Any]:
    rounds = ROUNDS // 8 if quick else ROUNDS
    hello = build(HELLO)
    stdin, _ = sort_test(20, 1)
    with tempfile.TemporaryDirectory() as folder:
        floor = Path(folder, "floor")
        source = Path(__file__).with_name("floor.c")
        subprocess.run(["cc", "-O2", "-static", "-o", str(floor), str(source)], check=True)
        measured: dict[str, list[tuple[float, float]]] = {}
        for _ in range(rounds):
            for name, round_of in (
                ("floor", lambda: _floor(floor, hello.path)),
                ("cpp", lambda: _tests(hello, b"")),
                ("python", lambda: _tests(Program("python", SORT_PYTHON), stdin)),
                ("pypy", lambda: _tests(Program("pypy", SORT_PYTHON), stdin)),
            ):
                measured.setdefault(name, []).append(round_of())
    clock = {name: min(wall for wall, _ in pairs) for name, pairs in measured.items()}
    cpu = {name: min(used for _, used in pairs) for name, pairs in measured.items()}
    return {
        "floor_ms": round(1000 * clock["floor"], 3),
        "cpp_test_ms": round(1000 * clock["cpp"], 3),
        "cpp_test_cost_ratio": round(clock["cpp"] / clock["floor"], 2),
        "cpp_test_cpu_ratio": round(cpu["cpp"] / cpu["floor"], 2),
        "python_test_ms": round(1000 * clock["python"], 2),
        "pypy_test_ms": round(1000 * clock["pypy"], 2),
    }


def _floor(floor: Path, program: Path | None) -> tuple[float, float]:
    """Seconds of clock and CPU of one run."""
    before = cpu_seconds()
    done = subprocess.run([floor, str(program), str(TESTS)], capture_output=True, check=True)
    return int(done.stdout) / 1e9, (cpu_seconds() - before) / TESTS


def _tests(program: Program, stdin: bytes) -> tuple[float, float]:
    """The same of one more test: from the end of the first to the end of the last."""
    ends: list[float] = []

    def ended(*_: object) -> bool:
        ends.append(time.perf_counter())
        return False

    before = cpu_seconds()
    runs = run_tests(program, [stdin], LIMITS)
    alone = cpu_seconds() - before
    runs = run_tests(program, [stdin] * (TESTS + 1), LIMITS, ended)
    assert all(run.verdict == "accepted" for run in runs), runs[-1]
    whole = cpu_seconds() - before - alone
    return (ends[-1] - ends[0]) / TESTS, (whole - alone) / TESTS


def cpu_seconds() -> float:
    """Of this process and all that it has waited for: boxes with everything in them."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)
