"""What a thousand submissions, honest and hostile, leave behind: nothing."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.judge.programs import SORT_CPP, build, sort_test
from eval.judge.isolation import CGROUP_PREFIX
from eval.judge.sandbox import check_isolation, run_tests
from eval.judge.spec import Limits, Program

SUBMISSIONS, WORKERS = 1000, 4
LIMITS = Limits(cpu_seconds=0.2, wall_seconds=2, memory_mb=64, output_kb=64, processes=8)
_HOSTILE = {
    "orphans": "if (!fork()) { setsid(); if (!fork()) sleep(60); _exit(0); } wait(0);",
    "forks": "for (;;) fork();",
    "leaves_files": "for (int i = 0; i < 99; i++) close(creat(to_string(i).c_str(), 0));",
    "eats_memory": "for (;;) memset(malloc(1 << 20), 1, 1 << 20);",
    "dies": "abort();",
    "floods": 'for (;;) puts("x");',
}


def measure(quick: bool) -> dict[str, Any]:
    submissions = SUBMISSIONS // 10 if quick else SUBMISSIONS
    head = "#include <bits/stdc++.h>\n#include <fcntl.h>\n#include <sys/wait.h>\n"
    head += "#include <unistd.h>\nusing namespace std;\n"
    programs = [build(f"{head}int main() {{ {body} }}") for body in _HOSTILE.values()]
    programs += [build(SORT_CPP)] * 6
    programs += [Program("python", "import os\nos.fork()\nprint(input())")] * 2
    stdins = [sort_test(10, seed)[0] for seed in range(3)]

    def judge(number: int) -> None:
        run_tests(programs[number % len(programs)], stdins, LIMITS)

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(judge, range(2 * len(programs))))  # what is made once is made
        before = _state()
        list(pool.map(judge, range(submissions // 2)))
        halfway = _memory_kb()
        list(pool.map(judge, range(submissions // 2, submissions)))
        after = _state()
    left = {name: sorted(after[name] - before[name])[:5] for name in after}
    return {
        "leaks": sum(len(after[name] - before[name]) for name in after),
        "left": {name: items for name, items in left.items() if items},
        "submissions": submissions,
        "parent_growth_kb": _memory_kb() - halfway,
    }


def _state() -> dict[str, set[str]]:
    isolation = check_isolation()
    parents = [p for p in (isolation.cgroup, isolation.cpu_cgroup) if p]
    return {
        "processes": _processes(),
        "mounts": set(Path("/proc/self/mounts").read_text().splitlines()),
        # Other judges of this machine have boxes of their own.
        "cgroups": {
            str(folder)
            for parent in parents
            for folder in Path(parent).glob(f"{CGROUP_PREFIX}{os.getpid()}-*")
        },
        "files": {str(f) for f in Path("/tmp").iterdir() if f.stat().st_uid >= 1_600_000_000}
        | {str(f) for f in Path("/tmp").glob("*judge*")},
        "shared memory": {
            line.split()[1] for line in Path("/proc/sysvipc/shm").read_text().splitlines()
        },
        "descriptors": {str(len(list(Path("/proc/self/fd").iterdir())))},
    }


def _processes() -> set[str]:
    """Ours, by descent or by a user that only boxes have."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "status").read_text()
        except OSError:
            continue
        parent = status.split("PPid:\t")[1].split("\n")[0]
        if int(parent) == os.getpid():
            found.add(f"{folder.name} {status.splitlines()[0]}")
    return found


def _memory_kb() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])
