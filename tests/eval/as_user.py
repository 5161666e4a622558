"""Run a command as a user without any privilege: `python as_user.py COMMAND ...` (as root).

Its home, and so its cache of compiled programs, is an empty folder that is gone afterwards.

Where the interpreter or the project lie below a folder that only root may enter, this process's
own mount namespace shows them under the same paths in an enterable one; the host keeps its own.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from eval.judge.box import kernel

USER = 54321


def main() -> None:
    home = tempfile.mkdtemp()
    os.chown(home, USER, USER)
    process = os.fork()
    if process:
        _, status = os.waitpid(process, 0)
        shutil.rmtree(home)
        sys.exit(os.waitstatus_to_exitcode(status))
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
    project = str(Path(__file__).resolve().parents[2])
    open_up([project, sys.prefix, sys.base_prefix])
    os.chdir(project)
    os.setgroups([])
    os.setresgid(USER, USER, USER)
    os.setresuid(USER, USER, USER)
    os.environ["HOME"] = home
    os.environ.pop("XDG_CACHE_HOME", None)
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    os.execv(sys.argv[1], sys.argv[1:])


def open_up(folders: list[str]) -> None:
    closed: dict[str, list[tuple[str, int]]] = {}
    for folder in sorted(set(folders)):
        parents = [p for p in reversed(Path(folder).parents) if not p.stat().st_mode & 0o001]
        if parents:
            closed.setdefault(str(parents[0]), []).append((folder, kernel.clone_mount(folder)))
    for parent, inside in closed.items():
        kernel.mount("open", parent, "tmpfs", 0, "mode=0755")
        for folder, descriptor in inside:
            Path(folder).mkdir(parents=True, exist_ok=True)
            kernel.attach_mount(descriptor, folder)


if __name__ == "__main__":
    main()
