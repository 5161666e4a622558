"""Checkers of a problem's authors in Python, written for DMOJ; they run in a box of their own.

What such a module may import of DMOJ is small and replaced by stand-ins.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from eval.judge.sandbox import run_tests
from eval.judge.spec import Limits, Program
from tessy.errors import SandboxError

_LIMITS = Limits(20, 60, 1024, 1024, 8)

_AROUND = """
import base64, json, sys, types

class CheckerResult:
    def __init__(self, passed, points, feedback=None, extended_feedback=None):
        self.passed, self.points = passed, points

class InternalError(Exception):
    pass

def utf8bytes(text):
    return text.encode() if isinstance(text, str) else text

def utf8text(data, errors="strict"):
    return data.decode("utf-8", errors) if isinstance(data, bytes) else data

for name, content in {
    "dmoj": {}, "dmoj.utils": {}, "dmoj.error": {"InternalError": InternalError},
    "dmoj.result": {"CheckerResult": CheckerResult},
    "dmoj.utils.unicode": {"utf8bytes": utf8bytes, "utf8text": utf8text},
}.items():
    module = types.ModuleType(name)
    module.__dict__.update(content)
    sys.modules[name] = module

asked = json.load(sys.stdin)
module = types.ModuleType("checker")
exec(compile(asked["source"], "checker", "exec"), module.__dict__)
files = {name: base64.b64decode(data) for name, data in asked["files"].items()}
try:
    got = module.check(files["output"], files["answer"], judge_input=files["input"],
                       submission_source="", point_value=1, **asked["arguments"])
except UnicodeDecodeError:
    got = False
got = got.passed if isinstance(got, CheckerResult) else got
print()
print(json.dumps(bool(got)))
"""


def check(
    source: bytes,
    name: str,
    arguments: Mapping[str, Any],
    output: bytes,
    answer: bytes,
    stdin: bytes,
) -> bool:
    """What the module's `check` says.

    Args:
        name: the module's file, for errors.

    Raises:
        SandboxError: it failed, which is no verdict.
    """
    files = {"output": output, "answer": answer, "input": stdin}
    asked = {
        "source": source.decode(errors="replace"),
        "arguments": dict(arguments),
        "files": {name: base64.b64encode(data).decode() for name, data in files.items()},
    }
    (run,) = run_tests(
        Program("python", _AROUND), [json.dumps(asked).encode()], _LIMITS, lambda index, run: True
    )
    said = run.stdout.rpartition(b"\n\n")[2].strip()
    if run.verdict != "accepted" or said not in (b"true", b"false"):
        raise SandboxError(
            f"{name} failed itself ({run.message[:300] or 'it ended without a verdict'})",
            "look at the problem; the answer was not judged",
        )
    return said == b"true"
