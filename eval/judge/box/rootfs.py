"""The file system of a box: an empty, read-only root with the interpreter's libraries in it."""

# ruff: noqa: PTH102, PTH103, PTH120, PTH211
# To import pathlib would take longer than all the rest of a box's start.

from __future__ import annotations

import os

from eval.judge.box import kernel

TYPE_CHECKING = False  # importing `typing` would double the time to start a box
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEVICES = ("null", "zero", "urandom")


def enter(mountpoint: str, binds: Sequence[str], links: Mapping[str, str]) -> None:
    """Build the root in a new mount namespace and move into it; the host's tree is gone then.

    Args:
        mountpoint: a folder of the host to build on; only this namespace sees it covered.
        binds: folders of the host that appear read-only under their own paths.
        links: symbolic links to make (path to target), such as /lib on a merged-/usr system.

    Raises:
        OSError: the kernel refuses; the message names the call.
    """
    kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
    flags = kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount("box", mountpoint, "tmpfs", flags, "mode=0755,size=1m")
    for folder in binds:
        _bind(folder, mountpoint + folder)
    for path, target in links.items():
        os.makedirs(os.path.dirname(mountpoint + path), exist_ok=True)
        os.symlink(target, mountpoint + path)
    os.mkdir(f"{mountpoint}/dev")
    os.mkdir(f"{mountpoint}/tmp")
    for name in DEVICES:
        target = f"{mountpoint}/dev/{name}"
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY))
        kernel.mount(f"/dev/{name}", target, "", kernel.MS_BIND)
    kernel.restrict_mount(mountpoint, kernel.ATTR_RDONLY, recursive=False)
    kernel.enter_root(mountpoint)


def fresh_tmp(megabytes: int) -> None:
    """Give the calling process a mount namespace of its own with an empty /tmp.

    The kernel removes it with the last process of the test: nothing has to be deleted.
    """
    kernel.unshare(kernel.CLONE_NEWNS)
    flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    kernel.mount("tmp", "/tmp", "tmpfs", flags, f"mode=0777,size={megabytes}m,nr_inodes=4096")


def _bind(source: str, target: str) -> None:
    os.makedirs(target, exist_ok=True)
    kernel.mount(source, target, "", kernel.MS_BIND | kernel.MS_REC)
    attributes = kernel.ATTR_RDONLY | kernel.ATTR_NOSUID | kernel.ATTR_NODEV
    kernel.restrict_mount(target, attributes, recursive=True)
