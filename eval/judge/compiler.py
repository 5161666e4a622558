"""C++ sources become programs: compiled in a box too, since a compiler reads what it is told to.

`#include "/dev/random"`, `.incbin`, templates that never end: the compiler meets them with limits,
and in a root that holds nothing of the host but itself and its headers.
"""

from __future__ import annotations

import itertools
import re
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path
from shutil import rmtree

from eval.judge.alone import beside_others
from eval.judge.boxes import open_box
from eval.judge.cache import cache_folder, cached, digest
from eval.judge.go_judge import TOOLS, tool_version
from eval.judge.isolation import Isolation
from eval.judge.job import Job
from eval.judge.languages import find_compiler, link_options, missing
from eval.judge.setting import Setting
from eval.judge.spec import CompileError, CompileOptions, Program
from eval.judge.trial import check_isolation
from eval.judge.verdicts import Reply, verdict_of
from tessy.errors import SandboxError

MESSAGE_CHARACTERS = 4000
_CACHE_BYTES = 4 << 30
_PRUNE_EVERY = 200  # compilations
_BASE_MB = 16
_compiled = itertools.count(1)
_HEADERS = "/headers"  # where the precompiled ones are in the box
_SYSTEM = (
    *("/lib", "/lib32", "/lib64", "/libx32", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libx32"),
    *("/usr/include", "/usr/libexec", "/usr/bin", "/usr/x86_64-linux-gnu"),
)
# Nothing but blank space and comments may come before a precompiled header.
_FIRST_INCLUDE = re.compile(
    r"\A(?:\s|//[^\n]*\n|/\*.*?\*/)*#[ \t]*include[ \t]*<bits/stdc\+\+\.h>", re.DOTALL
)


def compile_program(source: str, options: CompileOptions) -> Program | CompileError:
    """Make a program of a source text; the same text with the same options is compiled once.

    A Python program is not looked at: `run_tests` compiles it in the box that runs it, and says
    "compile_error" there.

    Raises:
        SandboxError: the judge failed, not the source: no compiler, no box.
    """
    if options.language != "cpp":
        return Program(options.language, source)
    isolation = check_isolation()
    lacking = missing("cpp", isolation)
    if lacking:
        raise SandboxError("C++ programs cannot be judged", f"they need {lacking}")

    def make(folder: Path) -> None:
        reply = _compile(source, options, isolation)
        if not reply.collected or verdict_of(reply, options.limits)[0] != "accepted":
            raise _Refused(_error(reply, options))
        program = folder / "program"
        program.write_bytes(reply.collected)
        program.chmod(0o755)
        if next(_compiled) % _PRUNE_EVERY == 0:
            prune_cache()

    try:
        folder = cached("cpp", _name(source, options, isolation), make)
    except _Refused as refused:
        return refused.error
    return Program("cpp", source, folder / "program")


def prune_cache(limit: int = _CACHE_BYTES, keep_seconds: float = 3600) -> None:
    """Remove the oldest compiled programs beyond `limit` bytes, but none that is used now."""
    files = sorted(
        (f.stat().st_mtime, f.stat().st_size, f) for f in (cache_folder() / "cpp").glob("*/program")
    )
    excess = sum(size for _, size, _ in files) - limit
    newest = files[-1][0] if files else 0.0
    for changed, size, file in files:
        if excess <= 0 or changed > newest - keep_seconds:
            break
        rmtree(file.parent, ignore_errors=True)
        excess -= size


class _Refused(Exception):
    def __init__(self, error: CompileError) -> None:
        self.error = error


def _compile(source: str, options: CompileOptions, isolation: Isolation) -> Reply:
    if isolation.kind == "go-judge":
        setting, command = Setting(options.limits), [TOOLS["cpp"], "main.cpp", *_flags(options)]
    else:
        setting, command = _native(source, options)
    files = {name: text.encode() for name, text in options.headers}
    files["main.cpp"] = source.encode(errors="surrogatepass")
    job = Job([*command, "-o", "program"], files=files, collect="program", one_stream=True)
    with open_box(isolation, setting) as box, beside_others():
        return box.run(job, options.limits)


def _native(source: str, options: CompileOptions) -> tuple[Setting, list[str]]:
    """What a box of this machine holds for a compiler, and how it is called."""
    precompiled = _FIRST_INCLUDE.match(source) and _precompiled_header(options)
    binds = [(f, f) for f in _SYSTEM if Path(f).is_dir() and not Path(f).is_symlink()]
    binds += [(str(precompiled), _HEADERS)] if precompiled else []
    setting = Setting(
        options.limits,
        (*binds, *_compiler_folder(), ("/dev/null", "/dev/null")),
        tuple((f, str(Path(f).readlink())) for f in _SYSTEM if Path(f).is_symlink()),
        base_mb=_BASE_MB,
    )
    command = [
        _compiler(),
        *(["-I", _HEADERS] if precompiled else []),
        "main.cpp",
        *_flags(options),
        *link_options(),
    ]
    return setting, command


def _error(reply: Reply, options: CompileOptions) -> CompileError:
    verdict, said = verdict_of(reply, options.limits)
    if verdict in ("time_limit", "memory_limit"):
        return CompileError(f"compilation needs {said}", 1000 * reply.cpu)
    text = reply.stdout.decode(errors="replace").strip()
    return CompileError(text[:MESSAGE_CHARACTERS] or said, 1000 * reply.cpu)


def _flags(options: CompileOptions) -> list[str]:
    # The first lines say what is wrong; without colours, which depend on the terminal.
    return [*options.flags, f"-std={options.standard}", "-fdiagnostics-color=never"]


def _name(source: str, options: CompileOptions, isolation: Isolation) -> str:
    headers = [part for pair in options.headers for part in pair]
    if isolation.kind == "go-judge":
        tools = [isolation.address, tool_version(isolation.address, "cpp")]
    else:
        tools = _toolchain(options)
    return digest(*tools, source, *_flags(options), *headers)


def _toolchain(options: CompileOptions) -> list[str]:
    """What else decides about a binary: compiler, and processor where it is compiled for one."""
    found = [_version(), *link_options()]
    if any("native" in flag for flag in options.flags):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        found += sorted({line for line in lines if line.startswith(("flags", "Features", "model"))})
    return found


@cache
def _version() -> str:
    done = subprocess.run([_compiler(), "-v"], capture_output=True, text=True)
    return done.stderr


def _compiler() -> str:
    found = find_compiler()
    assert found is not None, "looked for before anything is compiled"
    return found


def _compiler_folder() -> list[tuple[str, str]]:
    """A compiler outside of /usr brings its own folder (conda, /opt)."""
    prefix = str(Path(_compiler()).resolve().parent.parent)
    return [] if prefix == "/usr" else [(prefix, prefix)]


def _precompiled_header(options: CompileOptions) -> Path | None:
    """A folder with bits/stdc++.h, precompiled with these options; it saves a second a program."""
    flags = [f for f in _flags(options) if not f.startswith(("-l", "-s", "-o")) or f[:4] == "-std"]

    def make(folder: Path) -> None:
        (folder / "bits").mkdir()
        header = folder / "bits" / "stdc++.h"
        header.write_text("#include <bits/stdc++.h>\n")
        subprocess.run(
            [_compiler(), *flags, "-x", "c++-header", str(header), "-o", f"{header}.gch"],
            check=True,
            capture_output=True,
        )
        header.unlink()  # where the precompiled one does not fit, the system's own is found

    with suppress(subprocess.CalledProcessError):  # then without
        return cached("headers", digest(*_toolchain(options), *flags), make)
    return None
