"""The same boxes in Podman's and Docker's containers: verdicts, attacks, and nothing is left."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from eval.judge import docker
from eval.judge.compiler import compile_program
from eval.judge.isolation import candidates
from eval.judge.sandbox import run_tests
from eval.judge.spec import CompileError, CompileOptions, Limits, Program
from eval.judge.trial import _checked_isolation, _try
from tessy.errors import ConfigError, SandboxError
from tests.eval import hostile, hostile_cpp, kinds

LIMITS = Limits(cpu_seconds=0.5, wall_seconds=1.5, memory_mb=128, output_kb=64, processes=8)
OPTIONS = CompileOptions("cpp", ("-O1",))
NAMES = (
    *("spins", "allocates", "allocates_by_new", "recurses", "floods_stderr", "thread_bomb"),
    *("orphan_by_double_fork", "writes_outside", "network", "ptrace", "kills_everything"),
    *("closes_stdout_early", "makes_namespaces", "mounts", "becomes_root", "keyring"),
)


@pytest.fixture(autouse=True, params=["podman", "docker"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    kind = str(request.param)
    if shutil.which(kind) is None:
        pytest.skip(f"{kind} is not installed")
    kinds.force(kind, monkeypatch)
    try:
        _try(kinds.trial.check_isolation())
    except SandboxError as error:
        pytest.skip(f"{kind} does not work here: {error}")
    return kind


def left(kind: str) -> set[str]:
    """Containers, and sockets at which they started."""
    done = subprocess.run([kind, "ps", "-aq"], capture_output=True, text=True, check=True)
    return {*done.stdout.split(), *doors()}


def doors() -> set[str]:
    return set(map(str, Path(tempfile.gettempdir()).glob("tessy-door-*")))


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
def test_each_language_runs_and_its_container_is_gone(
    kind: str, language: str, source: str
) -> None:
    before = left(kind)
    runs = run_tests(build(language, source), [b"1", b"41"], LIMITS)
    assert [(r.verdict, r.stdout.strip()) for r in runs] == [
        ("accepted", b"2"),
        ("accepted", b"42"),
    ]
    assert left(kind) <= before


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
    monkeypatch.setenv("TESSY_SANDBOX", "dockr")
    with pytest.raises(ConfigError, match="TESSY_SANDBOX='dockr' is no way"):
        candidates()


def test_a_daemon_that_is_not_there_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("docker") is None:
        pytest.skip("docker is not installed")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    monkeypatch.setenv("TESSY_SANDBOX", "docker")
    docker._make_image.cache_clear()
    before = doors()
    with pytest.raises(SandboxError, match=r"^Docker makes no container here \(.*start its daemon"):
        _checked_isolation.__wrapped__()
    assert doors() <= before
    docker._make_image.cache_clear()
