"""Process 1 of a box for Python programs: a prepared interpreter, forked for each test.

It is run by the interpreter that the programs are written for (CPython, or PyPy 3.9 on), from a
folder of the box that also holds `program.py` and the launcher as a library.
"""

# ruff: noqa: PTH118, PTH120
# To import pathlib would take longer than all the rest of a box's start.

from __future__ import annotations

import ctypes
import gc
import os
import sys

sys.path.pop(0)  # this folder: programs import from the standard library only

# What most programs import; done once, it costs a test nothing.
import bisect, collections, functools, heapq, io, itertools, math, operator, random, re  # noqa
import string, typing  # noqa

if sys.implementation.name == "cpython":  # LiveCodeBench's header imports these as well
    import copy, datetime, json, statistics  # noqa

sys.path.insert(0, os.path.dirname(__file__))
import program

sys.path.pop(0)
del sys.modules["program"]
PROGRAM = 3  # the descriptor under which a test finds its program
COMPILE = 1  # the flag of a request, as in box.h


def read_all(descriptor: int) -> bytes:
    parts = []
    at = 0
    while part := os.pread(descriptor, 1 << 20, at):
        parts.append(part)
        at += len(part)
    os.close(descriptor)
    return b"".join(parts)


def main() -> None:
    # CPython's PyDLL: the fork happens with the lock held, as os.fork would have it.
    load = getattr(ctypes, "PyDLL", ctypes.CDLL)
    box = load(os.path.join(os.path.dirname(__file__), "box.so"))
    words = [word.encode() for word in sys.argv[1:]]
    plan = (ctypes.c_char_p * len(words))(*words)  # the library keeps pointers into it
    box.parse_plan(len(words), plan)
    gc.collect()
    if hasattr(gc, "freeze"):
        gc.freeze()  # children that collect garbage would copy every page of ours
    flags = box.serve()  # and from here on we are a test
    text = read_all(PROGRAM)
    random.seed()
    status = program.compile_source(text) if flags & COMPILE else program.run_code(text)
    os._exit(status)


main()
