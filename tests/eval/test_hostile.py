"""The box holds: each attack ends with a verdict that it may get, and nothing is left of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from eval.judge.isolation import CGROUP_PREFIX
from eval.judge.judge import judge
from eval.judge.sandbox import check_isolation, run_python
from eval.judge.spec import Limits
from tessy.records import Problem, TestCase
from tests.eval import kinds
from tests.eval.hostile import ATTACKS

LIMITS = Limits(cpu_seconds=0.5, wall_seconds=1.5, memory_mb=128, output_kb=64, processes=8)


def leftovers() -> list[str]:
    """What a box could leave on the host: processes, mounts, cgroups."""
    found = []
    for status in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if is_box(status.read_bytes()) and _is_ours(status.parent):
                found.append(f"process {status.parent.name}")
        except OSError:
            continue
    found += [m for m in Path("/proc/self/mounts").read_text().splitlines() if m.startswith("box ")]
    isolation = check_isolation()
    for parent in filter(None, (isolation.cgroup, isolation.cpu_cgroup)):
        # Those of other judges on this machine bear other processes' numbers.
        found += map(str, Path(parent).glob(f"{CGROUP_PREFIX}{os.getpid()}-*"))
    return found


def is_box(command: bytes) -> bool:
    """Whether a process is a box, of either kind, or starts one."""
    return b"eval.judge.box" in command or b"\0hold=/sys" in command


def _is_ours(process: Path) -> bool:
    """Started by this test process, not by another one that judges at the same time."""
    parent = process
    while parent.name not in ("0", "1"):
        if parent.name == str(os.getpid()):
            return True
        line = (parent / "status").read_text().split("PPid:\t")[1].split("\n")[0]
        parent = Path("/proc", line)
    return False


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("kind", [*kinds.NATIVE, *kinds.WITHOUT_COMPILER])
def test_attack_gets_its_verdict(kind: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds.force(kind, monkeypatch)
    attack = ATTACKS[name]
    problem = Problem(name, "", (TestCase("1 2\n" * 100_000, attack.expected),))
    got = judge(problem, attack.source, LIMITS)
    assert got.verdict in attack.verdicts, (got.verdict, got.message, got.runs)
    assert not got.retried


def test_isolation_is_the_strongest_that_this_user_may_have() -> None:
    isolation = check_isolation()
    assert isolation.kind == ("root" if os.geteuid() == 0 else "userns")
    assert os.geteuid() == 0 or any("memory" in s for s in isolation.weaker)


def test_nothing_is_left_behind_after_thirty_submissions() -> None:
    before, boxes_before = set(Path("/tmp").iterdir()), set(leftovers())  # of other judges
    names = ["orphan_by_double_fork", "fills_tmp", "fork_bomb_that_raises"]
    for index in range(30):
        run_python(ATTACKS[names[index % 3]].source, [""], LIMITS)
    assert set(leftovers()) <= boxes_before
    assert not {n for n in set(Path("/tmp").iterdir()) - before if "tessy" in n.name}


@pytest.mark.parametrize("kind", [*kinds.NATIVE, *kinds.WITHOUT_COMPILER])
def test_an_orphan_is_dead_before_the_next_test(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds.force(kind, monkeypatch)
    orphan = (
        "import os, sys, time\n"
        "if input() == 'first':\n"
        "    if os.fork() == 0:\n"
        "        if os.fork() == 0:\n"
        "            time.sleep(60)\n"
        "        os._exit(0)\n"
        "    os.wait(); print('left one')\n"
        "else:\n"
        "    me = os.getpid(); alive = []\n"
        "    for pid in range(2, me):\n"
        "        try: os.kill(pid, 0); alive.append(pid)\n"
        "        except ProcessLookupError: pass\n"
        "        except PermissionError: alive.append(pid)\n"
        "    print(alive)"
    )
    assert [r.stdout for r in run_python(orphan, ["first", "second"], LIMITS)] == [
        b"left one\n",
        b"[]\n",
    ]


@pytest.mark.parametrize("kind", [*kinds.NATIVE, *kinds.WITHOUT_COMPILER])
def test_the_next_test_starts_clean(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds.force(kind, monkeypatch)
    messy = (
        "import os, sys, builtins\n"
        "print(os.listdir('/tmp'), os.environ.get('STATE'))\n"
        "print(hasattr(builtins, 'state'), os.getcwd())\n"
        "open('/tmp/state', 'w').write('x'); os.mkdir('/tmp/deep'); os.chmod('/tmp/deep', 0)\n"
        "os.environ['STATE'] = 'x'; builtins.state = 1; os.umask(0); os.chdir('/')"
    )
    runs = run_python(messy, ["", "", ""], LIMITS)
    assert {r.verdict for r in runs} == {"accepted"}  # it could make its mess
    assert {r.stdout for r in runs} == {b"[] None\nFalse /tmp\n"}


# One for each row of the table of hostile submissions in docs/sandbox.md.
_ONE_OF_EACH_ROW = (
    *("spins", "allocates", "allocates_by_new", "recurses", "floods_stderr", "thread_bomb"),
    *("orphan_by_double_fork", "reads_the_hosts_files", "writes_outside", "network", "ptrace"),
    *("kills_everything", "closes_stdout_early", "reads_random", "embeds_passwords"),
)


def test_a_plain_user_gets_the_same_verdicts() -> None:
    """In boxes made without root: user namespaces, bubblewrap, and limits without a cgroup.

    `.ci/run` runs all tests of boxes so.
    """
    if os.geteuid() != 0:
        pytest.skip("the tests above already ran without root")
    chosen = " or ".join(["starts_clean", *(f"{name}]" for name in _ONE_OF_EACH_ROW)])
    here = Path(__file__).parent
    done = subprocess.run(
        [
            *(sys.executable, str(here / "as_user.py")),
            *(sys.executable, "-m", "pytest", "-n0", "-p", "no:cacheprovider", "-k", chosen),
            *(str(here / name) for name in ("test_hostile.py", "test_hostile_cpp.py")),
        ],
        capture_output=True,
        text=True,
        cwd=here.parents[1],
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-3000:]
    assert int(re.findall(r"\d+", done.stdout.split("passed")[0])[-1]) >= len(_ONE_OF_EACH_ROW)


def test_boxes_of_a_killed_judge_go_with_it() -> None:
    code = (
        "from eval.judge.sandbox import run_python\nfrom eval.judge.spec import Limits\n"
        "print('go', flush=True)\n"
        "run_python('while True: pass', [''], Limits(20, 60, 128, 64, 8))"
    )
    killed = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert killed.stdout and killed.stdout.readline() == b"go\n"
    time.sleep(0.5)
    boxes = [p for p in _boxes() if _parent(p) == killed.pid]
    assert boxes, "the box had not started"
    killed.kill()
    killed.wait()
    killed.stdout.close()
    deadline = time.monotonic() + 10
    while any(Path("/proc", str(b)).exists() for b in boxes) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [b for b in boxes if Path("/proc", str(b)).exists()]


def _boxes() -> list[int]:
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if is_box(line.read_bytes()):
                found.append(int(line.parent.name))
        except OSError:
            continue
    return found


def _parent(process: int) -> int:
    text = Path("/proc", str(process), "status").read_text()
    return int(text.split("PPid:\t")[1].split("\n")[0])
