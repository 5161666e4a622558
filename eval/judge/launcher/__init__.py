"""The native launcher: C that makes a box and runs tests in it, compiled once and cached."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

from eval.judge.cache import cached, digest

_HERE = Path(__file__).parent
_LIBRARY = ("serve.c", "watch.c", "confine.c")
_FLAGS = ("-O2", "-std=gnu11", "-Wall")


@cache
def find_launcher() -> Path | None:
    """A folder with `box` (an executable) and `box.so` (its inner part, for interpreters).

    None where there is no C compiler, or where it fails; says so once.
    """
    compiler = shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc")
    if compiler is None:
        _say("there is no C compiler (install gcc)")
        return None
    sources = sorted([*_HERE.glob("*.[ch]")])
    name = digest(os.uname().machine, compiler, *_FLAGS, *(s.read_bytes() for s in sources))
    try:
        return cached("launcher", name, lambda folder: _build(compiler, folder))
    except subprocess.CalledProcessError as error:
        _say(f"{compiler} cannot build the launcher ({error.stderr.strip()[:300]})")
    return None


def _build(compiler: str, folder: Path) -> None:
    library = [str(_HERE / name) for name in _LIBRARY]
    _compile(compiler, *library, "-shared", "-fPIC", "-o", str(folder / "box.so"))
    program = [str(_HERE / "enclose.c"), *library, "-o", str(folder / "box")]
    try:
        _compile(compiler, *program, "-static")  # a third quicker to start
    except subprocess.CalledProcessError:
        _compile(compiler, *program)


def _compile(compiler: str, *arguments: str) -> None:
    subprocess.run([compiler, *_FLAGS, *arguments], check=True, capture_output=True, text=True)


def _say(why: str) -> None:
    logging.getLogger(__name__).warning(
        "sandbox: %s, so Python programs run in the slower box that needs none, and C++ and PyPy "
        "programs cannot be judged",
        why,
    )
