"""The same boxes in Podman's containers: verdicts, attacks, and nothing left of a container."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from eval.judge.compiler import compile_program
from eval.judge.isolation import candidates
from eval.judge.sandbox import run_tests
from eval.judge.spec import CompileError, CompileOptions, Limits, Program
from eval.judge.trial import _try
from tessy.errors import ConfigError, SandboxError
from tests.eval import hostile, hostile_cpp, kinds

LIMITS = Limits(cpu_seconds=0.5, wall_seconds=1.5, memory_mb=128, output_kb=64, processes=8)
OPTIONS = CompileOptions("cpp", ("-O1",))
NAMES = (
    *("spins", "allocates", "allocates_by_new", "recurses", "floods_stderr", "thread_bomb"),
    *("orphan_by_double_fork", "writes_outside", "network", "ptrace", "kills_everything"),
    *("closes_stdout_early", "makes_namespaces", "mounts", "becomes_root", "keyring"),
)


@pytest.fixture(autouse=True)
def podman(monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("podman") is None:
        pytest.skip("podman is not installed")
    kinds.force("podman", monkeypatch)
    try:
        _try(kinds.trial.check_isolation())
    except SandboxError as error:
        pytest.skip(f"podman does not work here: {error}")


def containers() -> list[str]:
    done = subprocess.run(["podman", "ps", "-aq"], capture_output=True, text=True, check=True)
    return done.stdout.split()


def build(language: str, source: str) -> Program:
    program = compile_program(source, CompileOptions(language, OPTIONS.flags))  # type: ignore[arg-type]
    assert isinstance(program, Program), program.message
    return program


@pytest.mark.parametrize(
    ("language", "source"),
    [
        pytest.param(
            "cpp",
            "#include <iostream>\nint main() { int a; std::cin >> a; std::cout << a + 1; }",
            marks=kinds.needs("cpp"),
        ),
        pytest.param("pypy", "print(int(input()) + 1)", marks=kinds.needs("pypy")),
        ("python", "print(int(input()) + 1)"),
    ],
)
def test_each_language_runs_and_its_container_is_gone(language: str, source: str) -> None:
    before = set(containers())
    runs = run_tests(build(language, source), [b"1", b"41"], LIMITS)
    assert [(r.verdict, r.stdout.strip()) for r in runs] == [
        ("accepted", b"2"),
        ("accepted", b"42"),
    ]
    assert set(containers()) <= before


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("language", ["python", pytest.param("cpp", marks=kinds.needs("cpp"))])
def test_attack_gets_its_verdict(language: str, name: str) -> None:
    attacks = hostile.ATTACKS if language == "python" else hostile_cpp.ATTACKS
    if name not in attacks:
        pytest.skip("written for the other language")
    attack = attacks[name]
    (run,) = run_tests(build(language, attack.source), [b"1 2\n" * 1000], LIMITS)
    assert run.verdict in attack.verdicts, run
    if attack.verdicts == ("accepted",):
        assert run.stdout.splitlines()[0] == b"denied"


@kinds.needs("cpp")
@pytest.mark.parametrize("name", ["reads_passwords", "embeds_passwords", "macro_bomb"])
def test_attack_on_the_compiler_is_a_compile_error(name: str) -> None:
    error = compile_program(hostile_cpp.COMPILER_ATTACKS[name], OPTIONS)
    assert isinstance(error, CompileError) and "root:" not in error.message


def test_a_way_to_isolate_that_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESSY_SANDBOX", "docker")
    with pytest.raises(ConfigError, match="TESSY_SANDBOX='docker' is no way"):
        candidates()
