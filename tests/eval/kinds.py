"""The ways to isolate that the user who runs the tests can have, each forced in turn."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace

import pytest

from eval.checkers.testlib import header
from eval.judge import command, compiler, languages, sandbox, trial
from eval.judge.isolation import candidates
from tessy.errors import MissingError

NATIVE = ["root", "root, no cgroup"] if os.geteuid() == 0 else ["userns", "bubblewrap"]
WITHOUT_COMPILER = ["root, no compiler"] if os.geteuid() == 0 else ["userns, no compiler"]


def force(kind: str, patch: pytest.MonkeyPatch) -> None:
    """Judge by this kind of isolation until the test is over."""
    name, _, lacking = kind.partition(", ")
    if name == "bubblewrap" and shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    patch.setenv("TESSY_SANDBOX", name)
    (isolation,) = candidates()
    if lacking == "no cgroup":
        isolation = replace(isolation, cgroup="", cgroup_version=0, cpu_cgroup="")
    for module in (trial, sandbox, compiler):
        patch.setattr(module, "check_isolation", lambda: isolation)
    if lacking == "no compiler":
        for module in (languages, sandbox, command, trial):
            patch.setattr(module, "find_launcher", lambda: None)


def needs(language: str) -> pytest.MarkDecorator:
    lacking = languages.missing(language)  # type: ignore[arg-type]
    return pytest.mark.skipif(bool(lacking), reason=f"{language} needs {lacking}")


def need_testlib() -> None:
    """Skip a test whose checker includes testlib.h where the package that brings it is missing."""
    try:
        header()
    except MissingError as error:
        pytest.skip(str(error))
