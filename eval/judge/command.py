"""The command that starts a box of the native launcher."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

from eval.judge import docker, podman
from eval.judge.isolation import CGROUP_PREFIX, MOUNTPOINT, Isolation
from eval.judge.launcher import find_launcher
from eval.judge.setting import Setting

_numbers = itertools.count()


def command_of(
    isolation: Isolation,
    setting: Setting,
    control: int,
    filter_file: int,
    door: docker.Door | None = None,
) -> list[str]:
    launcher = find_launcher()
    assert launcher is not None, "boxes are opened only where the launcher could be built"
    limits, number = setting.limits, next(_numbers)
    uid = isolation.uid_base + (os.getpid() * 1024 + number % 1024) % isolation.uid_span
    start = [str(launcher / "box")]
    if isolation.kind == "bubblewrap":
        start = _bubblewrap(setting, launcher / "box")
    elif isolation.kind == "podman":
        start = podman.container(setting, launcher / "box", uid, control, filter_file)
        control, filter_file = podman.CONTROL, podman.FILTER
    elif door:
        start = docker.container(setting, launcher / "box", uid, door)
    plan = [
        f"kind={isolation.kind}",
        f"uid={uid}",
        f"memory={(limits.memory_mb + setting.base_mb) << 20}",
        f"tmp={limits.files_mb << 20}",
        f"stack={(limits.stack_mb or limits.memory_mb) << 20}",
        f"control={control}",
        f"filter={filter_file}",
        f"hold={MOUNTPOINT}",
    ]
    plan += [f"door={docker.DOOR}"] if door else []
    name = f"{CGROUP_PREFIX}{os.getpid()}-{number}"
    plan += [f"Memory={isolation.cgroup}/{name}"] if isolation.cgroup else []
    plan += [f"Cpu={isolation.cpu_cgroup}/{name}"] if isolation.cpu_cgroup else []
    enclosed = isolation.kind in ("bubblewrap", "podman", "docker")
    if enclosed:
        plan.append(f"address={setting.base_mb << 22}")  # nothing tells there how much is used
    interpreter = ["--", *setting.interpreter, *plan, "--", "warm"] if setting.interpreter else []
    if enclosed:
        return [*start, *plan, *interpreter]
    roots = [f"bind={source}:{target}" for source, target in setting.binds]
    roots += [f"link={path}:{target}" for path, target in setting.links]
    return [*start, *plan, *roots, *interpreter]


def _bubblewrap(setting: Setting, launcher: Path) -> list[str]:
    """The same box, up to where the launcher goes on as its process 1."""
    command = [
        *("bwrap", "--unshare-all", "--as-pid-1", "--die-with-parent", "--hostname", "box"),
        *("--cap-drop", "ALL", "--ro-bind", str(launcher), "/judge/box"),
    ]
    for source, target in setting.binds:
        command += ["--dev-bind" if source.startswith("/dev/") else "--ro-bind", source, target]
    for path, target in setting.links:
        command += ["--symlink", target, path]
    size = str(setting.limits.files_mb << 20)
    command += ["--perms", "0777", "--size", size, "--tmpfs", "/tmp", "--remount-ro", "/"]
    return [*command, "--", "/judge/box"]
