"""Verdicts of honest and broken programs, and of a judge that fails itself."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from eval.judge.box import kernel
from eval.judge.judge import judge, same_output
from eval.judge.sandbox import run_python
from eval.judge.seccomp import build_filter
from eval.judge.spec import Limits
from tessy.config import JudgeConfig
from tessy.errors import SandboxError
from tessy.records import Problem, TestCase

LIMITS = Limits.of(JudgeConfig(cpu_seconds=1))
SUM = Problem(
    "sum",
    "Print the sum.",
    (TestCase("1 2\n", "3"), TestCase("5 6\n", "11"), TestCase("-1 1\n", "0")),
)


def verdict(source: str) -> tuple[str, str]:
    got = judge(SUM, source, LIMITS)
    return got.verdict, got.message


def test_right_program_is_accepted_on_all_tests() -> None:
    got = judge(SUM, "print(sum(map(int, input().split())))", LIMITS)
    assert got.passed and got.message == ""
    assert [r.verdict for r in got.runs] == ["accepted"] * 3
    assert [r.stdout for r in got.runs] == [b"3\n", b"11\n", b"0\n"]
    assert all(0 < r.cpu_ms < 500 and 0 < r.memory_kb < 64_000 for r in got.runs)


def test_judging_stops_at_the_first_failing_test() -> None:
    got = judge(SUM, "print(3)", LIMITS)
    assert (got.verdict, len(got.runs)) == ("wrong_answer", 2)
    assert got.message == "test 2 of 3: line 1 is '3', not '11'"


@pytest.mark.parametrize(
    ("source", "expected", "said"),
    [
        ("print(", "compile_error", "SyntaxError"),
        ("x = '\0'", "compile_error", "null bytes"),
        ("(" * 10_000, "compile_error", "SyntaxError"),
        ("\udce4 = 1", "compile_error", "UnicodeDecodeError"),
        ("x = 1\n" * 300_000, "compile_error", ""),
        ("1 / 0", "runtime_error", "ZeroDivisionError: division by zero"),
        ("raise SystemExit('no idea')", "runtime_error", "no idea"),
        ("import sys; sys.exit(7)", "runtime_error", "exit status 7"),
        ("import os; os.abort()", "runtime_error", "SIGABRT"),
        ("import nothing_of_the_kind", "runtime_error", "ModuleNotFoundError"),
        ("import torch", "runtime_error", "ModuleNotFoundError"),
        ("raise MemoryError", "memory_limit", "256 MiB"),
        ("while True: pass", "time_limit", ""),
        ("print('x' * (2 << 20))", "output_limit", "1024 KiB"),
        ("raise ValueError(object())", "runtime_error", "<object object at 0x...>"),
        ("", "wrong_answer", "0 lines, not 1"),
    ],
)
def test_broken_program_gets_its_verdict(source: str, expected: str, said: str) -> None:
    got, message = verdict(source)
    assert got == expected, message
    assert said in message


def test_no_code_is_a_verdict() -> None:
    assert judge(SUM, None, LIMITS).verdict == "no_code"


@pytest.mark.parametrize(
    "source",
    [
        "def main():\n    print(sum(map(int, input().split())))\n"
        "if __name__ == '__main__':\n    main()",
        "import sys\nsys.stdout.write(str(sum(map(int, sys.stdin.read().split()))))",
        "import sys\nnumbers = map(int, sys.stdin.buffer.read().split())\n"
        "sys.stdout.buffer.write(b'%d' % sum(numbers))",
        "print(sum(map(int, open(0).read().split())))\nexit()",
        "import threading\n"
        "t = threading.Thread(target=lambda: print(sum(map(int, input().split()))))\nt.start()",
        "import atexit\natexit.register(lambda: print(sum(map(int, input().split()))))",
        "import os\nif os.fork() == 0:\n    print(sum(map(int, input().split())))\nelse: os.wait()",
        "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\n"
        "print(sum(P(int(t)).x for t in input().split()))",
        "import sys\nsys.setrecursionlimit(10**6)\n"
        "def f(n): return 0 if n == 0 else f(n - 1)\n"
        "print(sum(map(int, input().split())) + f(20_000))",
        "class E(Exception): pass\ntry: raise E\n"
        "except E: print(eval(input().replace(' ', '+')))\nraise SystemExit",
    ],
)
def test_programs_run_as_scripts_do(source: str) -> None:
    assert verdict(source) == ("accepted", "")


def test_traceback_names_the_programs_own_line() -> None:
    (run,) = run_python("import sys\nsys.stderr = sys.stdout\ndef f(): 1 / 0\nf()", [""], LIMITS)
    assert b"box" not in run.stdout
    assert b'File "main.py", line 4, in <module>' in run.stdout


def test_hash_order_is_the_same_every_time() -> None:
    source = "print(hash('a'), list({'b', 'c', 'd', 'e'}))"
    first, second = (run_python(source, [""], LIMITS)[0].stdout for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("stdout", "expected", "same"),
    [
        ("1 2\n3\n", "1 2\n3", True),
        ("\n 1  2 \r\n3\n\n", "1 2\n3\n", True),
        ("1 2 3", "1 2\n3", False),
        ("1", "1.0", False),
        ("a", "A", False),
        ("1\n\n2", "1\n2", False),
        ("", "\n", True),
    ],
)
def test_outputs_are_compared_by_lines_and_tokens(stdout: str, expected: str, same: bool) -> None:
    assert same_output(stdout, expected) is same


class Assassin(threading.Thread):
    """Kills the boxes that this process starts, up to `kills` of them."""

    def __init__(self, kills: int) -> None:
        super().__init__(daemon=True)
        self.kills, self.done = kills, threading.Event()

    def run(self) -> None:
        killed: set[int] = set()
        while len(killed) < self.kills and not self.done.wait(0.01):
            for launcher in _children(os.getpid()):
                for box in _children(launcher):
                    # Once a test runs below process 1 of the box, the box serves.
                    if box not in killed and _children(box):
                        os.kill(box, signal.SIGKILL)
                        killed.add(box)


def _children(process: int) -> list[int]:
    found: list[int] = []
    for task in Path("/proc", str(process), "task").glob("*/children"):
        try:
            found += map(int, task.read_text().split())
        except OSError:
            continue
    return found


@pytest.mark.parametrize(("kills", "expected"), [(1, "accepted"), (2, "judge_fault")])
def test_a_fault_of_the_judge_is_retried_once_and_never_a_wrong_answer(
    kills: int, expected: str
) -> None:
    slow = "import time; time.sleep(0.4); print(sum(map(int, input().split())))"
    assassin = Assassin(kills)
    assassin.start()
    got = judge(SUM, slow, LIMITS)
    assassin.done.set()
    assassin.join()
    assert (got.verdict, got.retried, got.passed) == (expected, 1, expected == "accepted")
    if kills == 2:
        assert "the sandbox failed" in got.message


def test_many_threads_judge_at_once() -> None:
    results: list[str] = []

    def work() -> None:
        results.append(judge(SUM, "print(sum(map(int, input().split())))", LIMITS).verdict)

    threads = [threading.Thread(target=work) for _ in range(6)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == ["accepted"] * 6
    assert time.monotonic() - started < 20


def test_large_input_and_output_pass_whole() -> None:
    data = "".join(f"{i}\n" for i in range(100_000))
    (run,) = run_python("import sys; sys.stdout.write(sys.stdin.read())", [data], LIMITS)
    assert run.stdout.decode() == data


def test_filter_is_refused_for_other_machines() -> None:
    with pytest.raises(SandboxError, match=r"riscv64.*use x86_64 or aarch64"):
        build_filter("riscv64")


def test_kernel_errors_name_the_call() -> None:
    with pytest.raises(OSError, match="mount tmpfs nothing on /nowhere"):
        kernel.mount("nothing", "/nowhere", "tmpfs", 0)
