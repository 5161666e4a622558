"""Boxes in Podman's containers, for machines whose rules want every program in a container.

No image is needed: a container's root is an empty folder with the same mounts as any other box,
and its process 1 is the launcher's. Slower to start, by a quarter of a second a submission; a test
costs the same.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from eval.judge.cache import cached, digest
from eval.judge.setting import Setting

CONTROL, FILTER = 3, 4  # Podman hands on descriptors from 3 on
# The judge's own are anywhere.
_RENUMBER = (
    "import os, sys; a, b = (os.dup(os.dup(os.dup(int(n)))) for n in sys.argv[1:3]); "
    f"os.dup2(a, {CONTROL}); os.dup2(b, {FILTER}); os.execvp(sys.argv[3], sys.argv[3:])"
)


def container(
    setting: Setting, launcher: Path, uid: int, control: int, filter_file: int
) -> list[str]:
    """The command that runs the launcher as process 1 of a container."""
    own = ["--no-hosts", "--passwd=false", "--read-only-tmpfs=false", "--preserve-fds", "2"]
    # Where something is mounted stays in the root, so boxes that hold the same share one.
    places = [target for _, target in setting.binds] + [path for path, _ in setting.links]
    root = cached("podman", digest(*places), _make_root)
    renumber = [sys.executable, "-I", "-S", "-c", _RENUMBER, str(control), str(filter_file)]
    common = options(setting, launcher, uid if os.geteuid() == 0 else None)
    return [*renumber, *_podman(), "run", *common, *own, "--rootfs", str(root), "/judge/box"]


def options(setting: Setting, launcher: Path, uid: int | None) -> list[str]:
    """What a container is told, as Docker understands it too.

    Args:
        uid: None where neither the user nor a cgroup may be ours to choose.
    """
    limits = setting.limits
    found = [
        *("--rm", "--network", "none", "--hostname", "box", "--workdir", "/"),
        *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
        # What would be asked for otherwise may be more than we may have ourselves.
        *("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096"),
        *("--read-only", "--log-driver", "none"),
        *("--tmpfs", f"/tmp:rw,nosuid,nodev,noexec,mode=0777,size={limits.files_mb << 20}"),
        *("--volume", f"{launcher}:/judge/box:ro"),
    ]
    for source, target in setting.binds:
        if not source.startswith("/dev/"):  # the container has its own
            found += ["--volume", f"{source}:{target}:ro"]
    for path, _ in setting.links:
        found += ["--volume", f"{os.path.realpath(path)}:{path}:ro"]
    if uid is not None:
        # Of all processes; each is bounded below that, so that it learns that memory ran out.
        memory = f"{limits.memory_mb + 6 * setting.base_mb + 16}m"
        found += ["--user", f"{uid}:{uid}", "--memory", memory, "--memory-swap", memory]
    return found


def _podman() -> list[str]:
    found = ["podman", "--cgroup-manager", "cgroupfs"]
    # crun refuses machines that have both versions of cgroups.
    if not Path("/sys/fs/cgroup/cgroup.controllers").exists() and shutil.which("runc"):
        found += ["--runtime", "runc"]
    return found


def _make_root(folder: Path) -> None:
    (folder / "tmp").mkdir()
    (folder / "tmp").chmod(0o777)  # runc mounts with the mode of what is there, not with ours
