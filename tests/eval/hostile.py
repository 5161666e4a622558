"""Programs that attack the judge, and the verdicts that they may get.

Each program that probes for something forbidden prints "denied" when it is, so that the verdict
"accepted" (with the expected output "denied") means that the box held.
"""

from __future__ import annotations

from dataclasses import dataclass

_CTYPES = """
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
def call(number, *arguments):
    wide = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = libc.syscall(ctypes.c_long(number), *wide)
    return ctypes.get_errno() if result == -1 else 0
"""


def _denied(*calls: str) -> str:
    """A program that makes raw system calls (x86-64, aarch64 numbers chosen at run time)."""
    lines = "\n".join(
        f"error = {call}\nif error != errno.EPERM: print({call!r}, error)" for call in calls
    )
    return f"{_CTYPES}\nimport os\nARM = os.uname().machine == 'aarch64'\n{lines}\nprint('denied')"


@dataclass(frozen=True)
class Attack:
    source: str
    verdicts: tuple[str, ...]
    expected: str = "denied"


_ABSENT = """
import os
for path in {paths}:
    try:
        print(path, os.listdir(path) if os.path.isdir(path) else open(path).read())
    except OSError:
        pass
print("denied")
"""

ATTACKS: dict[str, Attack] = {
    "spins": Attack("while True: pass", ("time_limit",)),
    "sleeps": Attack("import time; time.sleep(60)", ("time_limit",)),
    "ignores_every_signal": Attack(
        "import signal\n"
        "for s in signal.valid_signals():\n"
        "    try: signal.signal(s, signal.SIG_IGN)\n"
        "    except OSError: pass\n"
        "while True: pass",
        ("time_limit",),
    ),
    "spins_in_many_processes": Attack(
        "import os\nfor _ in range(3): os.fork()\nwhile True: pass", ("time_limit",)
    ),
    "spins_in_a_child_and_exits": Attack(
        "import os\nif os.fork() == 0:\n    while True: pass\nos.wait()",
        ("time_limit",),
    ),
    "allocates": Attack("a = []\nwhile True: a.append(bytearray(1 << 20))", ("memory_limit",)),
    "allocates_at_once": Attack(
        "a = bytearray(1 << 33)\nfor i in range(0, len(a), 4096): a[i] = 1", ("memory_limit",)
    ),
    "allocates_in_children": Attack(
        "import os, time\n"
        "for _ in range(4):\n"
        "    if os.fork() == 0:\n"
        "        a = bytearray(b'x' * (60 << 20)); time.sleep(1); os._exit(0)\n"
        "for _ in range(4): os.wait()",
        # The sum counts only where a cgroup measures it.
        ("memory_limit", "wrong_answer", "time_limit"),
    ),
    "fills_tmp": Attack(
        "for i in range(100):\n    open(f'/tmp/{i}', 'wb').write(b'x' * (16 << 20))",
        ("runtime_error", "memory_limit"),
    ),
    "recurses": Attack("def f(): f()\nf()", ("runtime_error",)),
    "recurses_without_limit": Attack(
        "import sys\nsys.setrecursionlimit(10**9)\ndef f(n): return f(n + 1) + 1\nf(0)",
        ("runtime_error", "memory_limit", "time_limit"),
    ),
    "overflows_the_c_stack": Attack(
        "import sys\nsys.setrecursionlimit(10**9)\n"
        "class A:\n    def __getattr__(self, name): return getattr(self, name + 'x')\n"
        "A().x",
        ("runtime_error", "memory_limit"),
    ),
    "floods_stdout": Attack("while True: print('x' * 1000)", ("output_limit",)),
    "floods_stderr": Attack(
        "import sys\nwhile True: print('x' * 1000, file=sys.stderr)", ("output_limit",)
    ),
    "fork_bomb": Attack(
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
        ("time_limit", "runtime_error"),
    ),
    "fork_bomb_that_raises": Attack(
        "import os\nwhile True: os.fork()", ("time_limit", "runtime_error")
    ),
    "thread_bomb": Attack(
        "import threading, time\n"
        "while True: threading.Thread(target=time.sleep, args=(60,)).start()",
        ("time_limit", "runtime_error"),
    ),
    "orphan_by_double_fork": Attack(
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        time.sleep(60)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "print('denied')",
        ("accepted",),
    ),
    "reads_the_hosts_files": Attack(
        _ABSENT.format(
            paths=(
                "/etc/passwd",
                "/etc",
                "/home",
                "/proc",
                "/proc/1/environ",
                "/sys",
                "/var",
                "/usr/bin",
                "/opt",
                "/dev/shm",
                "/dev/pts",
                "/dev/random",
            )
        ),
        ("accepted",),
    ),
    "climbs_out_of_the_root": Attack(
        "import os\n"
        "print(sorted(os.listdir('/' + '../' * 20)) == sorted(os.listdir('/')) or 'out')\n"
        "try: os.chroot('/tmp')\n"
        "except PermissionError: print('denied')",
        ("accepted",),
        "True\ndenied",
    ),
    "writes_outside": Attack(
        "import os, sys\n"
        "for folder in ('/', '/dev', '/usr', '/usr/lib', os.path.dirname(os.__file__)):\n"
        "    try: open(folder + '/attack', 'w'); print(folder)\n"
        "    except OSError: pass\n"
        "for path in (os.__file__, '/dev/null/x'):\n"
        "    try: open(path, 'r+'); print(path)\n"
        "    except OSError: pass\n"
        "print('denied')",
        ("accepted",),
    ),
    "network": Attack(
        "import socket\n"
        "for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK):\n"
        "    try: socket.socket(family); print(family)\n"
        "    except PermissionError: pass\n"
        "try: socket.socketpair(); print('pair')\n"
        "except PermissionError: print('denied')",
        ("accepted",),
    ),
    "ptrace": Attack(
        _denied("call(117 if ARM else 101, 16, 1, 0, 0)", "call(117 if ARM else 101, 0, 0, 0, 0)"),
        ("accepted",),
    ),
    "reads_another_process": Attack(
        _denied("call(270 if ARM else 310, 1, 0, 0, 0, 0, 0)", "call(438, 3, 1, 0)"), ("accepted",)
    ),
    "mounts": Attack(
        _denied(
            "call(40 if ARM else 165, b'x', b'/tmp', b'tmpfs', 0, None)",
            "call(39 if ARM else 166, b'/tmp', 2)",
            "call(41 if ARM else 155, b'.', b'.')",
            "call(428, -100, b'/', 1)",
        ),
        ("accepted",),
    ),
    "makes_namespaces": Attack(
        _denied(
            "call(97 if ARM else 272, 0x10000000)",
            "call(268 if ARM else 308, 0, 0)",
            "call(220 if ARM else 56, 0x10000011, 0, 0, 0, 0)",
        ),
        ("accepted",),
    ),
    "hides_clone_flags": Attack(
        f"{_CTYPES}\nprint('denied' if call(435, 0, 0) == errno.ENOSYS else 'open')", ("accepted",)
    ),
    "becomes_root": Attack(
        _denied("call(146 if ARM else 105, 0)", "call(147 if ARM else 117, 0, 0, 0)")
        + "\nprint(0 in os.getresuid() + os.getresgid(), os.getgroups() == [])",
        ("accepted",),
        # Without root on the host the caller's groups cannot be dropped, but they map to nobody.
        "denied\nFalse True",
    ),
    "keyring": Attack(
        _denied(
            "call(219 if ARM else 250, 0, -3, 0)",
            "call(217 if ARM else 248, b'user', b'x', b'y', 1, -3)",
        ),
        ("accepted",),
    ),
    "kernel_interfaces": Attack(
        _denied(
            "call(425, 1, 0)",  # io_uring_setup
            "call(280 if ARM else 321, 0, 0, 0)",  # bpf
            "call(241 if ARM else 298, 0, 0, -1, -1, 0)",  # perf_event_open
            "call(282 if ARM else 323, 0)",  # userfaultfd
            "call(104 if ARM else 246, 0, 0, 0, 0)",  # kexec_load
            "call(273 if ARM else 313, 0, 0, 0)",  # finit_module
            "call(142 if ARM else 169, 0, 0, 0, 0)",  # reboot
            "call(92 if ARM else 135, 0x40000)",  # personality
        ),
        ("accepted",),
    ),
    "limits_of_process_1": Attack(
        _denied(
            "call(261 if ARM else 302, 1, 0, 0, 0)",
            "call(122 if ARM else 203, 1, 8, b'1' * 8)",
            "call(119 if ARM else 144, 1, 5, b'0' * 8)",
        ),
        ("accepted",),
    ),
    "raises_its_limits": Attack(
        "import resource\n"
        "for kind in (resource.RLIMIT_CPU, resource.RLIMIT_NPROC, resource.RLIMIT_NOFILE):\n"
        "    try: resource.setrlimit(kind, (10**6, 10**6)); print(kind)\n"
        "    except (ValueError, OSError): pass\n"
        "print('denied')",
        ("accepted",),
    ),
    "memory_that_no_limit_counts": Attack(
        _denied("call(279 if ARM else 319, b'x', 0)", "call(194 if ARM else 29, 0, 4096, 0o1600)"),
        ("accepted",),
    ),
    "calls_by_another_abi": Attack(f"{_CTYPES}\ncall(0x40000027)", ("runtime_error",)),
    "executes": Attack(
        "import os\n"
        "try: os.execv('/lib64/ld-linux-x86-64.so.2', ['x'])\n"
        "except PermissionError: print('denied')",
        ("accepted",),
    ),
    "kills_process_1": Attack(
        "import os, signal\n"
        "for s in sorted(signal.valid_signals()):\n"
        "    try: os.kill(1, s); os.kill(os.getppid(), s)\n"
        "    except OSError: pass\n"
        "print('denied')",
        ("accepted",),
    ),
    "kills_everything": Attack(
        "import os, signal\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "for s in (signal.SIGTERM, signal.SIGKILL):\n"
        "    try: os.kill(-1, s)\n"
        "    except OSError: pass\n"
        "print('denied')",
        ("accepted",),
    ),
    "kills_its_group": Attack("import os\nos.kill(0, 9)", ("runtime_error",)),
    "holds_no_other_descriptor": Attack(
        "import os\n"
        "for number in range(3, 5000):\n"
        "    try: os.fstat(number); print(number)\n"
        "    except OSError: pass\n"
        "print('denied')",
        ("accepted",),
    ),
    "closes_stdout_early": Attack(
        "import os\nprint('denied', flush=True)\nos.close(1)", ("accepted",)
    ),
    "writes_and_never_reads": Attack("print('denied')", ("accepted",)),
    "says_no_more_and_hangs": Attack(
        "import os\nprint('denied', flush=True)\nos.close(1); os.close(2)\nwhile True: pass",
        ("time_limit",),
    ),
    "frame_of_the_judge": Attack(  # what it finds in its own memory is of no use to it
        "import sys\n"
        "frame = sys._getframe()\n"
        "while frame.f_back: frame = frame.f_back\n"
        "sys.stdout = None\n"
        "raise SystemExit(3)",
        ("runtime_error",),
    ),
}
