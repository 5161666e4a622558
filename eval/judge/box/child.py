"""The process that becomes the program: gives up everything, then runs it."""

from __future__ import annotations

import _signal as signal  # `signal` itself would load `enum`
import _sitebuiltins
import builtins
import gc
import io
import marshal
import os
import resource
import sys
import types

from eval.judge.box import kernel, rootfs

TYPE_CHECKING = False  # importing `typing` would double the time to start a box
if TYPE_CHECKING:
    from typing import Any, NoReturn

READY = b"ready"
NAME = "main.py"  # what tracebacks call the program
_STACK_BYTES = 64 << 20


def become(
    plan: dict[str, Any], job: str, payload: bytes, stdin: int, out: int, err: int, ready: int
) -> NoReturn:
    """Confine this process for good, say so on `ready`, and run the job.

    Args:
        job: "compile" (payload is source text, the code object goes to stdout) or "run"
            (payload is what "compile" wrote).
    """
    try:
        _confine(plan)
        for target, descriptor in enumerate((stdin, out, err)):
            os.dup2(descriptor, target)
        kernel.install_filter(plan["filter"])
        os.write(ready, READY)
        os.closerange(3, 1 << 12)  # among them `ready` and all that process 1 has open
    except BaseException as error:
        os.write(ready, f"{type(error).__name__}: {error}".encode())
        os._exit(1)
    os._exit(_compile(payload) if job == "compile" else _run(payload))


def _confine(plan: dict[str, Any]) -> None:
    os.setsid()
    if plan["oom"] >= 0:  # where memory runs out in the box, a test dies, never process 1
        adjust = os.open("self/oom_score_adj", os.O_WRONLY, dir_fd=plan["proc"])
        os.write(adjust, b"1000")
        os.close(adjust)
    rootfs.fresh_tmp(min(64, max(1, plan["memory_bytes"] >> 21)))
    os.chdir("/tmp")
    _limit(plan)
    if plan["kind"] == "root":
        os.setgroups([])
        os.setresgid(plan["uid"], plan["uid"], plan["uid"])
        os.setresuid(plan["uid"], plan["uid"], plan["uid"])
    kernel.keep_capabilities(())
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)


def _limit(plan: dict[str, Any]) -> None:
    processes = plan["processes"]
    if plan["kind"] == "userns":
        processes += 2  # process 1 and the launcher are the same user there
    limits = {
        resource.RLIMIT_CPU: int(plan["cpu_seconds"]) + 1,  # process 1 is more exact
        resource.RLIMIT_NPROC: processes,
        resource.RLIMIT_FSIZE: plan["memory_bytes"],
        resource.RLIMIT_NOFILE: 64,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_STACK: _STACK_BYTES,
    }
    if plan["oom"] < 0:  # nobody measures memory: bound the address space instead
        limits[resource.RLIMIT_AS] = plan["base_bytes"] + plan["memory_bytes"]
    for kind, value in limits.items():
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def _compile(source: bytes) -> int:
    try:
        code = compile(source.decode(), NAME, "exec", dont_inherit=True)
        data = memoryview(marshal.dumps(code))
    except BaseException as error:  # besides SyntaxError: nested too deep, null bytes, no memory
        os.write(2, f"{type(error).__name__}: {error}".encode(errors="replace"))
        return 1
    while data:
        data = data[os.write(1, data) :]
    return 0


def _run(code: bytes) -> int:
    """Run the program as an interpreter would run a script; the exit status."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    _open_streams()
    module = types.ModuleType("__main__")
    module.__dict__.update(__file__=NAME, __builtins__=builtins)
    sys.modules["__main__"] = module
    sys.argv = [NAME]
    for name in ("exit", "quit"):  # the rest of `site` is of no use to a program
        setattr(builtins, name, _sitebuiltins.Quitter(name, "Ctrl-D"))
    gc.enable()
    status = 0
    try:
        exec(marshal.loads(code), module.__dict__)
    except SystemExit as stop:
        status = _exit_status(stop)
    except BaseException:
        status = _show_exception()
    return _finish(status)


def _open_streams() -> None:
    """Fresh standard streams over descriptors 0 to 2, buffered as for a pipe."""
    raw = [io.FileIO(number, mode, closefd=False) for number, mode in enumerate("rww")]
    streams = {
        "stdin": io.TextIOWrapper(io.BufferedReader(raw[0]), "utf-8"),
        "stdout": io.TextIOWrapper(io.BufferedWriter(raw[1]), "utf-8"),
        "stderr": io.TextIOWrapper(
            io.BufferedWriter(raw[2]), "utf-8", "backslashreplace", line_buffering=True
        ),
    }
    for name, stream in streams.items():
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _exit_status(stop: SystemExit) -> int:
    if stop.code is None:
        return 0
    if isinstance(stop.code, int):
        return stop.code & 0xFF
    print(stop.code, file=sys.stderr)
    return 1


def _show_exception() -> int:
    kind, error, trace = sys.exc_info()
    assert kind and error and trace
    frames = trace.tb_next  # without our own
    sys.excepthook(kind, error.with_traceback(frames), frames)
    return 1


def _finish(status: int) -> int:
    """What an interpreter does at its end: wait for threads, call atexit, flush."""
    try:
        if "threading" in sys.modules:
            sys.modules["threading"]._shutdown()
        if "atexit" in sys.modules:
            sys.modules["atexit"]._run_exitfuncs()
        sys.stdout.flush()
    except BaseException:
        return _show_exception() if status == 0 else status
    return status
