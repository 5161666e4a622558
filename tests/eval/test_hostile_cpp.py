"""Compiled attacks, and attacks on the compiler, get their verdict in every kind of box."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from eval.judge import compiler
from eval.judge.boxes import open_box
from eval.judge.compiler import compile_program
from eval.judge.job import Job
from eval.judge.languages import PROGRAM, setting_for
from eval.judge.sandbox import run_tests
from eval.judge.spec import CompileError, CompileOptions, Limits, Program
from tests.eval import kinds
from tests.eval.hostile_cpp import _HEAD, ATTACKS, COMPILER_ATTACKS

pytestmark = kinds.needs("cpp")
LIMITS = Limits(cpu_seconds=0.5, wall_seconds=1.5, memory_mb=128, output_kb=64, processes=8)
OPTIONS = CompileOptions("cpp", ("-O1",))
TIGHT = CompileOptions("cpp", ("-O1",), limits=Limits(2, 6, 384, 64, 16, files_mb=64))


@pytest.fixture(params=kinds.NATIVE, autouse=True)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    kinds.force(request.param, monkeypatch)
    return request.param


def build(source: str) -> Program:
    program = compile_program(source, OPTIONS)
    assert isinstance(program, Program), program.message
    return program


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_gets_its_verdict(name: str) -> None:
    attack = ATTACKS[name]
    (run,) = run_tests(build(attack.source), [b"1 2\n" * 100_000], LIMITS)
    assert run.verdict in attack.verdicts, run
    if attack.verdicts == ("accepted",):
        assert run.stdout == b"denied\n"


@pytest.mark.parametrize("name", COMPILER_ATTACKS)
def test_attack_on_the_compiler_is_a_compile_error_within_its_limits(name: str) -> None:
    started = time.monotonic()
    error = compile_program(COMPILER_ATTACKS[name], TIGHT)
    assert isinstance(error, CompileError)
    assert error.message and len(error.message) <= compiler.MESSAGE_CHARACTERS
    assert error.cpu_ms < 1000 * (
        TIGHT.limits.cpu_seconds + 1.5
    )  # each process by itself, at worst
    assert time.monotonic() - started < 60
    for secret in ("root:", "daemon", "HOME=", str(Path(__file__).parents[2])):
        assert secret not in error.message


def test_the_next_test_starts_clean(kind: str) -> None:
    source = (
        _HEAD
        + r"""
int main() {
    int entries = 0;
    for (auto &e : filesystem::recursive_directory_iterator("/tmp")) entries++, (void)e;
    struct stat s; stat("/tmp", &s);
    printf("%d %o %s %d\n", entries, s.st_mode & 0777, getenv("STATE") ? "set" : "unset",
           open("/tmp/left", O_RDONLY));
    setenv("STATE", "1", 1);
    close(creat("/tmp/left", 0600)); mkdir("/tmp/a", 0700); mkdir("/tmp/a/b", 0700);
    close(creat("/tmp/a/b/c", 0)); chmod("/tmp/a", 0); chmod("/tmp", 0700);
    symlink("/", "/tmp/link"); mkfifo("/tmp/fifo", 0600);
    if (fork() == 0) { setsid(); sleep(60); }
}"""
    )
    runs = run_tests(build(source), [b""] * 3, LIMITS)
    assert {r.verdict for r in runs} == {"accepted"}
    assert {r.stdout for r in runs} == {b"0 777 unset -1\n"}


@pytest.mark.parametrize(
    "trick",
    [
        'symlink("/program", "/tmp/result");',
        'mkfifo("/tmp/result", 0666);',
        'mkdir("/tmp/result", 0777);',
        'symlink("/dev/zero", "/tmp/result");',
    ],
)
def test_a_file_to_collect_is_neither_followed_nor_waited_for(trick: str) -> None:
    program = build(f"{_HEAD}int main() {{ {trick} }}")
    isolation = kinds.trial.check_isolation()
    with open_box(isolation, setting_for(program, LIMITS, isolation)) as box:
        assert box.run(Job([PROGRAM], collect="result"), LIMITS).collected == b""


def test_a_file_is_collected() -> None:
    program = build(f'{_HEAD}int main() {{ ofstream("/tmp/result") << string(200000, 120); }}')
    isolation = kinds.trial.check_isolation()
    with open_box(isolation, setting_for(program, LIMITS, isolation)) as box:
        assert box.run(Job([PROGRAM], collect="result"), LIMITS).collected == b"x" * 200_000
