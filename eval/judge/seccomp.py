"""The system calls that a judged program may make, as a seccomp filter assembled by hand.

An allow-list: a call that is not named here fails with EPERM, so a kernel's new calls are denied
before anyone has heard of them. Denied by that, among others: ptrace and process_vm_* (looking
into another process), mount, unshare, setns and pivot_root (leaving the box), socket (network),
keyctl, bpf, io_uring and userfaultfd (kernel attack surface), shmget and friends (state that
outlives a test), memfd_create (memory that no limit counts), execve (there is nothing to run;
only compiled programs and compilers start by it), set*id, personality, perf_event_open, kexec,
reboot, modules.
"""

from __future__ import annotations

import errno
import struct
from functools import cache

from tessy.errors import SandboxError

# name: (x86-64, aarch64); None where an architecture lacks the call.
ALLOWED: dict[str, tuple[int | None, int | None]] = {
    # files: what can be reached is the box's own read-only tree and /tmp
    "read": (0, 63),
    "write": (1, 64),
    "open": (2, None),
    "close": (3, 57),
    "stat": (4, None),
    "fstat": (5, 80),
    "lstat": (6, None),
    "lseek": (8, 62),
    "pread64": (17, 67),
    "pwrite64": (18, 68),
    "readv": (19, 65),
    "writev": (20, 66),
    "access": (21, None),
    "sendfile": (40, 71),
    "fcntl": (72, 25),
    "flock": (73, 32),
    "fsync": (74, 82),
    "fdatasync": (75, 83),
    "truncate": (76, 45),
    "ftruncate": (77, 46),
    "getdents": (78, None),
    "getcwd": (79, 17),
    "chdir": (80, 49),
    "fchdir": (81, 50),
    "rename": (82, None),
    "mkdir": (83, None),
    "rmdir": (84, None),
    "creat": (85, None),
    "link": (86, None),
    "unlink": (87, None),
    "symlink": (88, None),
    "readlink": (89, None),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "umask": (95, 166),
    "statfs": (137, 43),
    "fstatfs": (138, 44),
    "getdents64": (217, 61),
    "fadvise64": (221, 223),
    "openat": (257, 56),
    "mkdirat": (258, 34),
    "newfstatat": (262, 79),
    "unlinkat": (263, 35),
    "renameat": (264, 38),
    "linkat": (265, 37),
    "symlinkat": (266, 36),
    "readlinkat": (267, 78),
    "fchmodat": (268, 53),
    "faccessat": (269, 48),
    "utimensat": (280, 88),
    "fallocate": (285, 47),
    "dup": (32, 23),
    "dup2": (33, None),
    "dup3": (292, 24),
    "pipe": (22, None),
    "pipe2": (293, 59),
    "preadv": (295, 69),
    "pwritev": (296, 70),
    "renameat2": (316, 276),
    "copy_file_range": (326, 285),
    "preadv2": (327, 286),
    "pwritev2": (328, 287),
    "statx": (332, 291),
    "close_range": (436, 436),
    "faccessat2": (439, 439),
    "fchmodat2": (452, 452),
    # waiting
    "poll": (7, None),
    "select": (23, None),
    "pselect6": (270, 72),
    "ppoll": (271, 73),
    "epoll_create": (213, None),
    "epoll_create1": (291, 20),
    "epoll_ctl": (233, 21),
    "epoll_wait": (232, None),
    "epoll_pwait": (281, 22),
    "eventfd2": (290, 19),
    "pause": (34, None),
    # memory
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "mremap": (25, 216),
    "msync": (26, 227),
    "mincore": (27, 232),
    "madvise": (28, 233),
    "membarrier": (324, 283),
    # processes and threads; `clone` is looked at below
    "fork": (57, None),
    "vfork": (58, None),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "wait4": (61, 260),
    "waitid": (247, 95),
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "futex": (202, 98),
    "set_tid_address": (218, 96),
    "set_robust_list": (273, 99),
    "rseq": (334, 293),
    "arch_prctl": (158, None),
    "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "getcpu": (309, 168),
    "setsid": (112, 157),
    "setpgid": (109, 154),
    # signals
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "rt_sigpending": (127, 136),
    "rt_sigtimedwait": (128, 137),
    "rt_sigsuspend": (130, 133),
    "sigaltstack": (131, 132),
    "restart_syscall": (219, 128),
    # time
    "nanosleep": (35, 101),
    "clock_nanosleep": (230, 115),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "gettimeofday": (96, 169),
    "time": (201, None),
    "times": (100, 153),
    "alarm": (37, None),
    "getitimer": (36, 102),
    "setitimer": (38, 103),
    # who am I
    "getpid": (39, 172),
    "getppid": (110, 173),
    "gettid": (186, 178),
    "getpgid": (121, 155),
    "getpgrp": (111, None),
    "getsid": (124, 156),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getegid": (108, 177),
    "getgroups": (115, 158),
    "getresuid": (118, 148),
    "getresgid": (120, 150),
    "uname": (63, 160),
    "sysinfo": (99, 179),
    "getrusage": (98, 165),
    "getrlimit": (97, 163),
    "setrlimit": (160, 164),
    "getrandom": (318, 278),
}
CLONE, CLONE3, PRLIMIT, IOCTL = (56, 220), (435, 435), (302, 261), (16, 29)
EXECVE = (59, 221)
NAMESPACES = 0x7E020080  # every CLONE_NEW* flag of clone(2)
IOCTLS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)  # TCGETS .. FIOCLEX: is it a terminal?

_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_LOAD, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


def _argument(index: int) -> int:
    """Offset of the low half of an argument; both architectures are little-endian."""
    return _ARGUMENTS + 8 * index


_ALLOWED, _DENIED = _step(_RETURN, _ALLOW), _step(_RETURN, _ERRNO | errno.EPERM)


@cache
def build_filter(machine: str, executes: bool = False) -> bytes:
    """The filter as an array of `struct sock_filter`.

    A search tree: the kernel tries it on every call's number when it is installed, for each test.

    Args:
        machine: as `os.uname` names it.
        executes: whether execve is allowed, which starts a compiled program, and a compiler's
            parts. A box of the one holds nothing else to execute.

    Raises:
        SandboxError: the machine is neither x86_64 nor aarch64.
    """
    if machine not in _ARCHITECTURES:
        raise SandboxError(
            f"programs cannot be sandboxed on a {machine} machine", "use x86_64 or aarch64"
        )
    column, architecture = _ARCHITECTURES[machine]
    rules = {n[column]: [_ALLOWED] for n in ALLOWED.values() if n[column] is not None}
    rules |= {EXECVE[column]: [_ALLOWED]} if executes else {}
    # clone3 hides its flags in memory, where a filter cannot look: libc falls back to clone.
    rules[CLONE3[column]] = [_step(_RETURN, _ERRNO | errno.ENOSYS)]
    # New processes and threads, but no namespaces.
    rules[CLONE[column]] = [
        _step(_LOAD, _argument(0)),
        _step(_JUMP_SET, NAMESPACES, 0, 1),
        _DENIED,
        _ALLOWED,
    ]
    # Its own limits, never those of process 1.
    rules[PRLIMIT[column]] = [
        _step(_LOAD, _argument(0)),
        _step(_JUMP_EQUAL, 0, 1, 0),
        _DENIED,
        _ALLOWED,
    ]
    rules[IOCTL[column]] = [
        _step(_LOAD, _argument(1)),
        *(_step(_JUMP_EQUAL, command, len(IOCTLS) - i, 0) for i, command in enumerate(IOCTLS)),
        _DENIED,
        _ALLOWED,
    ]
    steps = [
        # A 32-bit or x32 call has other numbers: the list would mean something else.
        _step(_LOAD, _ARCHITECTURE),
        _step(_JUMP_EQUAL, architecture, 1, 0),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
        _step(_JUMP_GREATER_EQUAL, 0x40000000, 0, 1),
        _step(_RETURN, _KILL),
        *_tree(_segments({n: rule for n, rule in rules.items() if n is not None})),
    ]
    return b"".join(steps)


def _segments(rules: dict[int, list[bytes]]) -> list[tuple[int, list[bytes]]]:
    """First numbers of the stretches that share a rule, up to the highest number there is."""
    found: list[tuple[int, list[bytes]]] = []
    for number in range(max(rules) + 2):
        rule = rules.get(number, [_DENIED])
        if not found or found[-1][1] != rule:
            found.append((number, rule))
    return found


def _tree(segments: list[tuple[int, list[bytes]]]) -> list[bytes]:
    if len(segments) == 1:
        return segments[0][1]
    middle = len(segments) // 2
    low, high = _tree(segments[:middle]), _tree(segments[middle:])
    return [_step(_JUMP_GREATER_EQUAL, segments[middle][0], len(low), 0), *low, *high]
