"""Run a program's source as an interpreter runs a script. Python 3.9 on: PyPy imports it too."""

from __future__ import annotations

import _signal as signal  # `signal` itself would load `enum`
import _sitebuiltins
import builtins
import gc
import io
import marshal
import os
import sys
import types

NAME = "main.py"  # what tracebacks call the program


def compile_source(source: bytes) -> int:
    """Write the code object to stdout, or the error to stderr; the exit status."""
    try:
        code = compile(source.decode("utf-8-sig"), NAME, "exec", dont_inherit=True)
        data = memoryview(marshal.dumps(code))
    except BaseException as error:  # besides SyntaxError: nested too deep, null bytes, no memory
        os.write(2, f"{type(error).__name__}: {error}".encode(errors="replace"))
        return 1
    while data:
        data = data[os.write(1, data) :]
    return 0


def run_code(code: bytes) -> int:
    """Run what `compile_source` wrote; the exit status."""
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
