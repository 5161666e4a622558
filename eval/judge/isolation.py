"""What the host offers to isolate programs with, found out by trying."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import urlsplit

from tessy.errors import ConfigError

CGROUP_PREFIX = "tessy-judge-"
MOUNTPOINT = "/sys"  # always a folder, never where an interpreter lives
_UID_BASE, _UID_SPAN = 1_600_000_000, 1 << 22  # far above any user's id; one id a box
_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")


Kind = Literal["root", "userns", "bubblewrap", "podman", "docker", "go-judge"]


@dataclass(frozen=True)
class Isolation:
    """How boxes are made on this machine.

    `root`: process 1 of a box is root with few capabilities, programs are another user.
    `userns`: all of it happens inside a user namespace, under the caller's own id.
    `bubblewrap`: the same, but that tool makes the namespaces, where the system lets only it.
    `podman`, `docker`: the same, in a container; only where it is asked for.
    `go-judge`: a service runs them, in containers of its own; only where it is asked for.
    """

    kind: Kind
    cgroup: str  # folder in which a box makes its memory cgroup; "" where there is none
    cgroup_version: Literal[0, 1, 2]
    cpu_cgroup: str  # the same for CPU time, where that is a hierarchy of its own
    binds: tuple[str, ...]  # what a program sees of the host, read-only
    links: tuple[tuple[str, str], ...]
    uid_base: int
    uid_span: int
    address: str = ""  # of the service

    @property
    def weaker(self) -> tuple[str, ...]:
        """What this machine guards less well than it could, one sentence each."""
        if self.kind == "go-judge":
            return (
                f"programs run in the go-judge service at {self.address}, which decides what they "
                "see and may call; how large their files may be is up to it as well",
            )
        said = []
        if not self.cgroup:
            said.append(
                "no memory cgroup can be made here, so memory is limited for each process of a "
                "program, not for all of them together; run as root"
            )
        if self.kind == "bubblewrap":
            said.append(
                "only bubblewrap may make namespaces here; a box is slower to start, and files of "
                "a test are deleted instead of dropped with their file system"
            )
        if self.kind in ("podman", "docker"):
            said.append(
                "in a container a box is slower to start, and programs see its /proc, /sys and /etc"
            )
        if self.kind != "root" and kernel_version() < (5, 14):
            said.append(
                "this kernel counts processes by user, not by box, so other programs of this "
                "user use up the process limit; Linux 5.14 counts them apart"
            )
        return tuple(said)


def candidates() -> list[Isolation]:
    """Ways to isolate, the strongest first; the first that works is used.

    The variable TESSY_SANDBOX names the only one to try: a kind, or the address of a go-judge
    service.

    Raises:
        ConfigError: it names none.
    """
    wanted = os.environ.get("TESSY_SANDBOX", "")
    if _is_address(wanted):
        return [Isolation("go-judge", "", 0, "", (), (), 0, 0, wanted)]
    local = [kind for kind in get_args(Kind) if kind != "go-judge"]
    if wanted and wanted not in local:
        raise ConfigError(
            f"TESSY_SANDBOX={wanted!r:.80} is no way to isolate programs",
            f"set it to one of {', '.join(local)}, to the address of a go-judge service such as "
            "http://localhost:5050, or unset it",
        )
    possible = _possible(wanted)
    return [found for found in possible if found.kind == (wanted or found.kind)]


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        return False


def _possible(wanted: str) -> list[Isolation]:
    binds, links = visible_folders()
    base, span = _free_uids()
    plain = Isolation("userns", "", 0, "", binds, links, base, span)
    found = [plain]
    if shutil.which("bwrap"):
        found.append(replace(plain, kind="bubblewrap"))
    if os.geteuid() == 0:
        folder, version = _memory_cgroup()
        root = replace(plain, kind="root", cgroup=folder, cgroup_version=version)
        # A root without the capability to mount (a container's) has only the plain user's way.
        found.insert(0, replace(root, cpu_cgroup=_cpu_cgroup() if version == 1 else ""))
    kinds: tuple[Kind, ...] = ("podman", "docker")
    found += [replace(plain, kind=kind) for kind in kinds if wanted == kind and shutil.which(kind)]
    return found


def visible_folders() -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """The folders that hold this interpreter's libraries, and the symbolic links to them.

    Programs are run by the base interpreter, so a virtual environment is not among them.
    """
    paths = sysconfig.get_paths(vars={"base": sys.base_prefix, "platbase": sys.base_exec_prefix})
    wanted = {
        *_LIBRARIES,
        paths["stdlib"],
        paths["platstdlib"],
        f"{sys.base_prefix}/lib",  # libraries beside it: pyenv, conda, /usr/local
        f"{sys.base_exec_prefix}/lib",
    }
    wanted |= {store for store in ("/nix/store",) if sys.base_prefix.startswith(store)}
    links = {p: str(Path(p).readlink()) for p in _LIBRARIES if Path(p).is_symlink()}
    real = {os.path.realpath(p) for p in wanted if Path(p).is_dir()}
    # The interpreter looks its files up under the names it knows, links and all.
    for path in sorted(wanted - set(_LIBRARIES)):
        resolved = os.path.realpath(path)
        if resolved != path and Path(path).is_dir() and not _inside(path, real):
            links[path] = resolved
    return outermost(real), tuple(sorted(links.items()))


def library_folders() -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """The folders of the system's shared libraries, and the symbolic links to them."""
    links = {p: str(Path(p).readlink()) for p in _LIBRARIES if Path(p).is_symlink()}
    real = {os.path.realpath(p) for p in _LIBRARIES if Path(p).is_dir()}
    return outermost(real), tuple(sorted(links.items()))


def kernel_version() -> tuple[int, int]:
    major, minor = os.uname().release.split(".")[:2]
    return int(major), int("".join(c for c in minor if c.isdigit()))


def hints() -> str:
    """What to enable on a machine on which nothing isolates."""
    if sys.platform != "linux":
        return "evaluate on Linux"
    if kernel_version() < (5, 12):
        return f"use Linux 5.12 or later (this is {os.uname().release})"
    for name, bad, mend in (
        ("user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=10000"),
        ("kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
    ):
        setting = Path("/proc/sys") / name
        if setting.exists() and setting.read_text().strip() == bad:
            return f"allow user namespaces with `{mend}`, or run as root"
    return (
        "allow user namespaces or run as root; in a container start it with "
        "`--privileged`, or with `--cap-add SYS_ADMIN --security-opt seccomp=unconfined "
        "--security-opt apparmor=unconfined`"
    )


def sweep(isolation: Isolation) -> None:
    """Remove the empty cgroups of launchers that somebody killed."""
    for parent in filter(None, (isolation.cgroup, isolation.cpu_cgroup)):
        for folder in Path(parent).glob(f"{CGROUP_PREFIX}*"):
            owner = folder.name.removeprefix(CGROUP_PREFIX).split("-")[0]
            if not Path("/proc", owner).exists():
                with suppress(OSError):  # another judge was faster
                    folder.rmdir()


def _free_uids() -> tuple[int, int]:
    """Ids that no user has: high ones, or the upper half of what our user namespace maps."""
    ranges = [line.split() for line in Path("/proc/self/uid_map").read_text().splitlines()]
    first, size = max(((int(r[0]), int(r[2])) for r in ranges), key=lambda pair: pair[1])
    if first + size > _UID_BASE + _UID_SPAN:
        return _UID_BASE, _UID_SPAN
    return first + size // 2, max(1, size // 2)


def _memory_cgroup() -> tuple[str, Literal[0, 1, 2]]:
    """The nearest cgroup, from our own upwards, below which a memory cgroup can be made."""
    ours = dict(line.split(":", 2)[1:] for line in _lines("/proc/self/cgroup"))
    for line in _lines("/proc/self/mounts"):
        _, mountpoint, kind, options, *_ = line.split()
        if kind == "cgroup" and "memory" in options.split(","):
            path = next((p for names, p in ours.items() if "memory" in names.split(",")), "/")
            for folder in _upwards(mountpoint, path):
                if _can_make(folder):
                    return folder, 1
        if kind == "cgroup2":
            for folder in _upwards(mountpoint, ours.get("", "/")):
                control = Path(folder, "cgroup.subtree_control")
                if "memory" in control.read_text().split() and _can_make(folder):
                    return folder, 2
    return "", 0


def _cpu_cgroup() -> str:
    """The same for the CPU time of version 1."""
    ours = dict(line.split(":", 2)[1:] for line in _lines("/proc/self/cgroup"))
    for line in _lines("/proc/self/mounts"):
        _, mountpoint, kind, options, *_ = line.split()
        if kind == "cgroup" and "cpuacct" in options.split(","):
            path = next((p for names, p in ours.items() if "cpuacct" in names.split(",")), "/")
            return next(filter(_can_make, _upwards(mountpoint, path)), "")
    return ""


def _upwards(mountpoint: str, path: str) -> Iterable[str]:
    """Folders of a cgroup and its ancestors; a container may not see its own."""
    folder = Path(mountpoint + path)
    while True:
        if folder.is_dir():
            yield str(folder)
        if folder == Path(mountpoint):
            return
        folder = folder.parent


def _can_make(folder: str) -> bool:
    probe = Path(folder, f"{CGROUP_PREFIX}{os.getpid()}")
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError:
        return False
    return True


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


def _inside(path: str, folders: Iterable[str]) -> bool:
    return any(path == f or path.startswith(f + "/") for f in folders)


def outermost(folders: Iterable[str]) -> tuple[str, ...]:
    """Drop the folders that lie in another one."""
    kept: list[str] = []
    for folder in sorted(folders):
        if not _inside(folder, kept):
            kept.append(folder)
    return tuple(kept)
