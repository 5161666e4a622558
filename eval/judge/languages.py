"""What a box must hold so that a program of each language runs in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from eval.judge.go_judge import TOOLS, tool_version
from eval.judge.isolation import Isolation, library_folders, outermost
from eval.judge.launcher import find_launcher
from eval.judge.setting import Setting
from eval.judge.spec import Language, Limits, Program
from tessy.errors import SandboxError

PROGRAM = "/program"  # where a compiled program is in its box
_JUDGE = Path(__file__).parent
_DEVICES = tuple((f"/dev/{name}", f"/dev/{name}") for name in ("null", "zero", "urandom"))
_BASE_MB = {"cpp": 4, "python": 16, "pypy": 64}  # of process 1, before any test


def setting_for(program: Program, limits: Limits, isolation: Isolation) -> Setting:
    """The box of a program.

    Raises:
        SandboxError: this machine lacks the language's interpreter.
    """
    if isolation.kind == "go-judge":
        if program.path is not None:
            return Setting(limits, ((str(program.path), PROGRAM),))
        return Setting(limits, interpreter=(TOOLS[program.language], "-S", "-s"))
    if program.path is not None:
        libraries, links = ((), ()) if link_options() else library_folders()
        binds = ((str(program.path), PROGRAM), *_same(libraries), *_DEVICES)
        return Setting(limits, binds, links, base_mb=_BASE_MB["cpp"])
    launcher = find_launcher()
    assert launcher is not None, "boxes are opened only where the launcher could be built"
    ours = (
        (str(launcher / "box.so"), "/judge/box.so"),
        (str(_JUDGE / "launcher" / "warm.py"), "/judge/warm.py"),
        (str(_JUDGE / "box" / "program.py"), "/judge/program.py"),
    )
    if program.language == "python":
        executable: str = sys._base_executable  # type: ignore[attr-defined]
        folders, links = isolation.binds, isolation.links
        options: tuple[str, ...] = ("-S", "-s", "-P")
    else:
        executable, folders, links = _find_pypy()
        options = ("-S", "-s")
    real = os.path.realpath(executable)
    binds = (*_same(folders), (real, real), *ours, *_DEVICES)
    return Setting(
        limits,
        binds,
        links,
        interpreter=(real, *options, "/judge/warm.py"),
        executes=False,
        base_mb=_BASE_MB[program.language],
    )


def missing(language: Language, isolation: Isolation | None = None) -> str:
    """What to install so that programs of a language can be judged; "" if nothing is missing.

    Args:
        isolation: None looks on this machine.
    """
    if isolation and isolation.kind == "go-judge":
        there = tool_version(isolation.address, language)
        return "" if there else f"{TOOLS[language]} where {isolation.address} runs programs"
    if find_launcher() is None and language != "python":
        return "a C compiler: install gcc"
    if language == "cpp" and find_compiler() is None:
        return "a C++ compiler: install g++"
    if language == "pypy" and shutil.which("pypy3") is None:
        return "PyPy: install pypy3"
    return ""


def find_compiler() -> str | None:
    return shutil.which(os.environ.get("CXX", "g++"))


@cache
def link_options() -> tuple[str, ...]:
    """How C++ programs are linked: statically where that works, which halves the time to start
    one, and by gold where it is installed, which halves the time to link."""
    compiler = find_compiler()
    assert compiler is not None, "looked for before anything is compiled"
    source = b"#include <iostream>\nint main() { std::cout << 1; }"
    for options in (("-static", "-fuse-ld=gold"), ("-static",)):
        command = [compiler, "-x", "c++", "-", *options, "-o", "/dev/null"]
        if subprocess.run(command, input=source, capture_output=True).returncode == 0:
            return options
    return ()


@cache
def _find_pypy() -> tuple[str, tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Executable, folders and links of the PyPy of this machine."""
    found = shutil.which("pypy3")
    if found is None:
        raise SandboxError(
            "PyPy programs cannot be judged: there is no pypy3",
            "install it (Debian: `apt-get install pypy3`)",
        )
    asked = "import os, sys; print(sys.executable, sys.prefix, os.path.dirname(os.__file__))"
    answer = subprocess.run([found, "-S", "-s", "-c", asked], capture_output=True, text=True)
    executable, prefix, library = answer.stdout.split()
    folders, links = library_folders()
    # One unpacked from an archive has all its files below its prefix.
    own = (library,) if prefix == "/usr" else (prefix, library)
    return executable, outermost([*folders, *map(os.path.realpath, own)]), links


def _same(folders: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((folder, folder) for folder in folders)
