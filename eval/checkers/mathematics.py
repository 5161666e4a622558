"""Answers in \\boxed{}, and whether two mathematical expressions are equal.

Equality is that of the package math-verify. It compares by sympy, which some expressions keep busy
for ever or make ask for all memory; so it works in a process of its own, with limits.
"""

from __future__ import annotations

import json
import re
import select
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from tessy.errors import MissingError, SandboxError

_SECONDS = 30.0  # of a comparison, which ends itself after 5 + 5 + 5
_MEMORY_BYTES = 4 << 30
_INTEGER = re.compile(r"[+-]?\d{1,40}")
_LONGEST = 10_000  # characters of an expression
_PACKAGE = "math_verify"
_SERVE = (
    "import sys; sys.path[:0] = sys.argv[1:]; from eval.checkers.mathematics import serve; serve()"
)


def boxed(response: str) -> str | None:
    """The contents of the last closed \\boxed{...} of a response; None if there is none."""
    starts = [found.end() for found in re.finditer(r"\\f?boxed\s*\{", response)]
    for start in reversed(starts):
        depth = 1
        for brace in re.compile(r"\\[{}]|[{}]").finditer(response, start):
            depth += {"{": 1, "}": -1}.get(brace[0], 0)  # escaped braces count for nothing
            if depth == 0:
                return response[start : brace.start()].strip()
    return None


def equal(answer: str, expected: str) -> bool:
    """Whether two expressions in LaTeX are equal; a comparison without end is no equality.

    Raises:
        MissingError: math-verify is not installed.
        SandboxError: the comparing process cannot be started.
    """
    mine, theirs = answer.strip().strip("$").strip(), expected.strip().strip("$").strip()
    if mine == theirs:
        return bool(mine)
    if _INTEGER.fullmatch(mine) and _INTEGER.fullmatch(theirs):
        return int(mine) == int(theirs)
    if max(len(mine), len(theirs)) > _LONGEST:
        return False
    return _comparer.equal(mine, theirs)


def equal_within(answer: str, expected: str, tolerance: float) -> bool:
    """Whether two numbers differ by at most a tolerance; other expressions must be equal."""
    try:
        return abs(float(answer) - float(expected)) <= tolerance
    except ValueError:
        return equal(answer, expected)


def equal_in_any_order(answers: Sequence[str], expected: Sequence[str], tolerance: float) -> bool:
    """Whether each answer has a partner of its own among the expected ones."""
    rest = list(expected)
    for answer in answers:
        partner = next((e for e in rest if equal_within(answer, e, tolerance)), None)
        if partner is None:
            return False
        rest.remove(partner)
    return not rest


def split_answers(text: str) -> list[str]:
    """Parts at the commas that stand outside of brackets."""
    parts, depth, start = [], 0, 0
    for position, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth <= 0:
            parts.append(text[start:position])
            start = position + 1
    return [part.strip() for part in (*parts, text[start:])]


class _Comparer:
    """A process that compares, started when it is needed and again after a comparison hung."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def equal(self, answer: str, expected: str) -> bool:
        with self._lock:
            process = self._started()
            assert process.stdin and process.stdout
            try:
                process.stdin.write(json.dumps([answer, expected]) + "\n")
                process.stdin.flush()
                ready, _, _ = select.select([process.stdout], [], [], _SECONDS)
                line = process.stdout.readline() if ready else ""
            except OSError:
                line = ""
            if not line:  # it hung, or its limits ended it
                self._end(process)
                return False
            return bool(json.loads(line))

    def _started(self) -> subprocess.Popen[str]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        root = str(Path(__file__).resolve().parents[2])
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, root, *filter(None, sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout
        said = self._process.stdout.readline().strip()
        if said != "ready":
            self._end(self._process)
            if said == "missing":
                raise MissingError("mathematics needs math-verify", "pip install math-verify")
            raise SandboxError("math-verify does not start", "import math_verify to see why")
        return self._process

    def _end(self, process: subprocess.Popen[str]) -> None:
        process.kill()
        process.communicate()
        self._process = None


_comparer = _Comparer()


def serve() -> None:
    """Compare pairs of expressions, one a line of JSON on stdin, until stdin ends."""
    import resource
    from importlib.util import find_spec

    if find_spec(_PACKAGE) is None:
        print("missing", flush=True)
        return
    import math_verify

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    answers = sys.stdout
    sys.stdout = sys.stderr  # the package may print
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        answer, expected = json.loads(line)
        try:
            gold = math_verify.parse(f"${expected}$")
            mine = math_verify.parse(f"\\boxed{{{answer}}}")
            same = math_verify.verify(gold, mine)
        except Exception:
            same = False
        print(json.dumps(bool(same)), file=answers, flush=True)
