"""The kernel's calls that Python's `os` lacks. Each raises OSError with the call's name."""

from __future__ import annotations

import ctypes
import os
import struct

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
MNT_DETACH = 2
ATTR_RDONLY, ATTR_NOSUID, ATTR_NODEV = 1, 2, 4
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP = 1, 4, 22
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 24, 38, 47
CAP_KILL, CAP_SETGID, CAP_SETUID, CAP_SETPCAP, CAP_SYS_ADMIN = 5, 6, 7, 8, 21
_AT_FDCWD, _AT_RECURSIVE, _AT_EMPTY_PATH = -100, 0x8000, 0x1000
_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_SYS_OPEN_TREE, _SYS_MOVE_MOUNT, _SYS_MOUNT_SETATTR = 428, 429, 442  # the same on both

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def _checked(result: int, what: str) -> int:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _syscall(what: str, number: int, *arguments: int | bytes | None) -> int:
    # Each argument must be as wide as a register: ctypes would pass a Python int as a C int.
    wide = [ctypes.c_long(a) if isinstance(a, int) else ctypes.c_char_p(a) for a in arguments]
    return _checked(_libc.syscall(ctypes.c_long(number), *wide), what)


def unshare(flags: int) -> None:
    """Leave namespaces of the parent for new ones."""
    _checked(_libc.unshare(flags), f"unshare({flags:#x})")


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    result = _libc.mount(
        source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode()
    )
    _checked(result, f"mount {kind or 'bind'} {source} on {target}")


def restrict_mount(path: str, attributes: int, recursive: bool) -> None:
    """Add attributes (read-only, ...) to a mount, and to those below it (Linux 5.12)."""
    change = struct.pack("QQQQ", attributes, 0, 0, 0)
    flags = _AT_RECURSIVE if recursive else 0
    _syscall(
        f"mount_setattr {path}",
        _SYS_MOUNT_SETATTR,
        _AT_FDCWD,
        path.encode(),
        flags,
        change,
        len(change),
    )


def clone_mount(path: str) -> int:
    """A descriptor of a detached copy of the tree at `path`, for `attach_mount`."""
    return _syscall(
        f"open_tree {path}", _SYS_OPEN_TREE, _AT_FDCWD, path.encode(), _AT_RECURSIVE | 1
    )


def attach_mount(descriptor: int, path: str) -> None:
    _syscall(
        f"move_mount {path}", _SYS_MOVE_MOUNT, descriptor, b"", _AT_FDCWD, path.encode(), 4
    )  # 4: the source is the descriptor itself


def enter_root(path: str) -> None:
    """Make `path`, a mount point, the root, and let go of the old one."""
    os.chdir(path)
    _syscall("pivot_root", _SYS_PIVOT_ROOT[os.uname().machine], b".", b".")
    _checked(_libc.umount2(b".", MNT_DETACH), "umount2 of the old root")
    os.chdir("/")


def set_hostname(name: str) -> None:
    _checked(_libc.sethostname(name.encode(), len(name)), "sethostname")


def prctl(option: int, *arguments: int) -> int:
    padded = [*arguments, 0, 0, 0, 0][:4]
    return _checked(_libc.prctl(option, *(ctypes.c_ulong(a) for a in padded)), f"prctl({option})")


def keep_capabilities(kept: tuple[int, ...]) -> None:
    """Drop all capabilities but `kept`, and all of them for whatever is executed later."""
    prctl(PR_CAP_AMBIENT, 4)  # clear all
    for capability in range(64):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:
            break  # past the last one that this kernel knows
    mask = sum(1 << c for c in kept)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    header = struct.pack("Ii", 0x20080522, 0)
    data = struct.pack("IIIIII", low, low, 0, high, high, 0)
    _checked(_libc.capset(header, data), "capset")


def install_filter(program: bytes) -> None:
    """Install a seccomp filter (an array of struct sock_filter) for good."""
    code = ctypes.create_string_buffer(program, len(program))
    wrapped = ctypes.create_string_buffer(
        struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(code))
    )
    prctl(PR_SET_SECCOMP, 2, ctypes.addressof(wrapped))
