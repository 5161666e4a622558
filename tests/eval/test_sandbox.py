"""Programs of each language, checkers and interactors, as the benchmarks run them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from eval.judge import compiler, sandbox
from eval.judge.alone import alone, beside_others
from eval.judge.cache import cache_folder, cached
from eval.judge.compiler import compile_program, prune_cache
from eval.judge.sandbox import open_checker, run_checker, run_interactive, run_tests
from eval.judge.spec import CompileError, CompileOptions, Limits, Program
from eval.judge.verdicts import Reply
from tests.eval import kinds

LIMITS = Limits(cpu_seconds=2, wall_seconds=8, memory_mb=256, output_kb=1024, processes=16)
OPTIONS = CompileOptions("cpp", ("-O2", "-pipe"))
SUM = "#include <bits/stdc++.h>\nint main() { long a, b; std::cin >> a >> b; std::cout << a + b; }"
GUESSER = """#include <bits/stdc++.h>
int main() {
    for (int low = 1, high = 1000;;) {
        int middle = (low + high) / 2;
        std::cout << middle << std::endl;
        std::string said;
        if (!(std::cin >> said)) return 1;
        if (said == "equal") return 0;
        (said == "more" ? low : high) = said == "more" ? middle + 1 : middle - 1;
    }
}"""
INTERACTOR = """#include <bits/stdc++.h>
int main(int, char **v) {
    int secret, guess;
    std::ifstream(v[1]) >> secret;
    std::ofstream out(v[2]);
    for (int asked = 1; asked <= 12 && std::cin >> guess; asked++) {
        out << guess << "\\n";
        std::cout << (guess == secret ? "equal" : guess < secret ? "more" : "less") << std::endl;
        if (guess == secret) { std::cerr << "ok " << asked; return 0; }
    }
    std::cerr << "not found";
    return 1;
}"""
PYTHON_GUESSER = """
low, high = 1, 1000
while True:
    middle = (low + high) // 2
    print(middle, flush=True)
    said = input()
    if said == "equal": break
    if said == "more": low = middle + 1
    else: high = middle - 1
"""


@pytest.fixture(params=kinds.NATIVE)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    kinds.force(request.param, monkeypatch)
    return request.param


def build(source: str, options: CompileOptions = OPTIONS) -> Program:
    program = compile_program(source, options)
    assert isinstance(program, Program), program.message
    return program


@pytest.mark.parametrize(
    ("language", "source"),
    [
        pytest.param("cpp", SUM, marks=kinds.needs("cpp")),
        pytest.param("pypy", "print(sum(map(int, input().split())))", marks=kinds.needs("pypy")),
        ("python", "print(sum(map(int, input().split())))"),
    ],
)
def test_each_language_adds_up(kind: str, language: str, source: str) -> None:
    program = build(source, CompileOptions(language))  # type: ignore[arg-type]
    runs = run_tests(program, [b"1 2", b"3 4", b"5 6"], LIMITS, lambda index, _: index == 1)
    assert [(r.verdict, r.stdout.strip(), r.exit_code) for r in runs] == [
        ("accepted", b"3", 0),
        ("accepted", b"7", 0),
    ]


@kinds.needs("pypy")
@pytest.mark.parametrize(
    ("source", "verdict", "said"),
    [
        ("print(", "compile_error", "SyntaxError"),
        ("\ufeffprint(1)", "accepted", ""),  # a byte order mark is no error to an interpreter
        ("1 / 0", "runtime_error", "ZeroDivisionError"),
        ("while True: pass", "time_limit", ""),
        ("a = []\nwhile True: a.append(bytearray(1 << 20))", "memory_limit", "192 MiB"),
        ("raise SystemExit(4)", "runtime_error", "exit status 4"),
        ("import os\nprint(os.listdir('/tmp'))\nopen('/tmp/x', 'w')\nexit()", "accepted", ""),
        ("import sys\nsys.setrecursionlimit(10**5)\ndef f(n): return n and f(n - 1)\nf(50000)",
         "accepted", ""),
        ("import threading\nt = threading.Thread(target=lambda: print(1))\nt.start()",
         "accepted", ""),
        ("import socket\nsocket.socket()", "runtime_error", "PermissionError"),
        ("import os\nos.fork() or os._exit(0)\nos.wait()", "accepted", ""),
        ("import random, heapq, collections, itertools, math, re\nprint(random.random())",
         "accepted", ""),
    ],
)  # fmt: skip
def test_pypy_gets_its_verdicts(kind: str, source: str, verdict: str, said: str) -> None:
    limits = replace(LIMITS, cpu_seconds=1, memory_mb=192)
    (run, *_) = run_tests(Program("pypy", source), [b"", b""], limits, lambda _, r: False)
    assert run.verdict == verdict, run
    assert said in run.message


@kinds.needs("cpp")
def test_exit_codes_and_signals_are_told_apart() -> None:
    source = "#include <cstdlib>\n#include <iostream>\nint main() { int n; std::cin >> n;"
    program = build(source + "if (n < 0) abort(); std::cerr << 'e'; return n; }")
    zero, three, aborted = run_tests(program, [b"0", b"3", b"-1"], LIMITS)
    assert (zero.verdict, zero.exit_code, zero.stderr) == ("accepted", 0, b"e")
    assert (three.verdict, three.exit_code) == ("runtime_error", 3)
    assert (aborted.verdict, aborted.exit_code, aborted.message) == (
        "runtime_error", -6, "killed by SIGABRT",
    )  # fmt: skip


@kinds.needs("cpp")
def test_large_input_and_output_pass_whole(kind: str) -> None:
    source = "#include <cstdio>\nint main() { int c; while ((c = getchar()) >= 0) putchar(c); }"
    data = os.urandom(5 << 20)
    (run,) = run_tests(build(source), [data], replace(LIMITS, output_kb=6 << 10))
    assert run.stdout == data


@kinds.needs("cpp")
def test_a_deep_recursion_may_use_all_of_memory_as_stack() -> None:
    source = """#include <cstdio>
    int f(int n) { volatile char a[1000]; a[n % 1000] = 1; return n ? f(n - 1) + a[n % 1000] : 0; }
    int main() { printf("%d", f(100000)); }"""
    (run,) = run_tests(build(source, CompileOptions("cpp", ("-O0",))), [b""], LIMITS)
    assert (run.verdict, run.stdout) == ("accepted", b"100000")


@kinds.needs("cpp")
def test_address_space_can_be_bounded_where_a_benchmark_does() -> None:
    source = '#include <cstdio>\nvolatile char a[400 << 20];\nint main() { a[1] = 1; puts("ok"); }'
    program = build(source)
    limits = replace(LIMITS, memory_mb=512)  # without a cgroup, a bound by itself
    (free,) = run_tests(program, [b""], limits)
    (bounded,) = run_tests(program, [b""], replace(limits, address_space_mb=256))
    assert (free.verdict, bounded.verdict) == ("accepted", "runtime_error")


@kinds.needs("cpp")
def test_compile_errors_keep_the_compilers_message_trimmed() -> None:
    error = compile_program("int main() { return x; }", OPTIONS)
    assert isinstance(error, CompileError)
    assert error.message.startswith("main.cpp: In function") and "'x' was not declared" in (
        error.message.replace("‘", "'").replace("’", "'")
    )


@kinds.needs("cpp")
@pytest.mark.parametrize("before", ["", "// a comment\n/* two\nlines */ ", "#define LOCAL\n"])
def test_the_precompiled_header_changes_nothing(before: str) -> None:
    (run,) = run_tests(build(before + SUM), [b"2 3"], LIMITS)
    assert run.stdout == b"5"


@kinds.needs("cpp")
def test_headers_lie_beside_the_source() -> None:
    options = replace(OPTIONS, headers=(("seven.h", "const int seven = 7;"),))
    source = '#include "seven.h"\n#include <cstdio>\nint main() { printf("%d", seven); }'
    assert run_tests(build(source, options), [b""], LIMITS)[0].stdout == b"7"
    changed = replace(OPTIONS, headers=(("seven.h", "const int seven = 8;"),))
    assert run_tests(build(source, changed), [b""], LIMITS)[0].stdout == b"8"


@kinds.needs("cpp")
def test_the_same_source_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    program = build(SUM)
    monkeypatch.setattr(compiler, "_compile", lambda *_: pytest.fail("compiled again"))
    assert build(SUM) == program


CHECKER = """#include <bits/stdc++.h>
int main(int, char **v) {
    std::ifstream in(v[1]), out(v[2]), answer(v[3]);
    std::string a, b;
    out >> a; answer >> b;
    std::cerr << a << " for " << b;
    std::ofstream("left") << 1;
    return a == b ? 0 : 1;
}"""


@kinds.needs("cpp")
def test_a_checker_tells_by_its_exit_code(kind: str) -> None:
    checker = build(CHECKER)
    arguments = ["in.txt", "out.txt", "ans.txt"]
    with open_checker(checker, LIMITS) as check:
        for out, code in ((b"5", 0), (b"6", 1), (b"5", 0)):
            files = {"in.txt": b"", "out.txt": out, "ans.txt": b"5\n"}
            run = check(files, arguments)
            assert (run.exit_code, run.stderr) == (code, out + b" for 5")
    large = {"in.txt": b" " * (300 << 20), "out.txt": b"5", "ans.txt": b"5"}
    assert run_checker(checker, large, arguments, LIMITS).exit_code == 0


@kinds.needs("cpp")
@pytest.mark.parametrize(
    ("guesser", "mine", "opinion"),
    [
        (build, "accepted", 0),
        (PYTHON_GUESSER, "accepted", 0),
        ("print(1)", "accepted", 1),
        ("raise SystemExit(3)", "runtime_error", 1),
        ("while True: pass", "time_limit", 1),
        ("input()", "time_limit", 1),
        ("print(", "compile_error", 0),
        ("while True: print(1, flush=True)", "runtime_error", 1),
    ],
)
def test_a_program_meets_its_interactor(
    kind: str, guesser: object, mine: str, opinion: int
) -> None:
    program = build(GUESSER) if guesser is build else Program("python", str(guesser))
    limits = Limits(1, 3, 128, 64, 8)
    files, arguments = {"in.txt": b"777"}, ["in.txt", "out.txt"]
    run, judged = run_interactive(program, build(INTERACTOR), files, arguments, limits, LIMITS)
    assert (run.verdict, judged.exit_code) == (mine, opinion), (run, judged)


def test_a_run_that_comes_near_its_limit_is_repeated_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    def run(stdin: bytes, limits: Limits) -> Reply:
        asked.append(limits.cpu_seconds)
        cpu = 2.2 if len(asked) == 1 else 1.9  # slower beside others
        return Reply("", 0, cpu, cpu, 0, 0, b"", b"")

    got = sandbox._measured(run, b"", LIMITS)
    assert (got.verdict, got.repeated, asked) == ("accepted", True, [2.5, 2.0])


def test_who_is_alone_has_no_neighbours() -> None:
    inside, seen = [], []

    def neighbour() -> None:
        for _ in range(200):
            with beside_others():
                inside.append(1)
                inside.pop()

    threads = [threading.Thread(target=neighbour) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        with alone():
            seen.append(len(inside))
    for thread in threads:
        thread.join()
    assert seen == [0] * 20


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cache_folder.cache_clear()
    yield
    cache_folder.cache_clear()


def test_the_cache_drops_the_oldest_programs_first(empty_cache: None) -> None:
    def make(folder: Path) -> None:
        (folder / "program").write_bytes(b"x" * 1000)

    names = ("oldest", "old", "new", "newest")
    made = [cached("cpp", name, make) for name in names]
    for age, folder in zip((10_000, 8_000, 1_000, 0), made, strict=True):  # seconds
        os.utime(folder / "program", (1e9 - age, 1e9 - age))
    prune_cache(3500)
    assert [f.exists() for f in made] == [False, True, True, True]
    prune_cache(0)
    assert [f.exists() for f in made] == [False, False, True, True], "they may be in use"
