"""The attacks of `hostile.py` that a compiled program makes, and those on the compiler itself."""

from __future__ import annotations

from tests.eval.hostile import Attack

_HEAD = """#include <bits/stdc++.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
using namespace std;
"""


def _main(body: str, before: str = "") -> str:
    return f"{_HEAD}{before}\nint main() {{\n{body}\nreturn 0; }}\n"


def _denied(*calls: str) -> str:
    """A program whose system calls must all fail with EPERM."""
    lines = "\n".join(
        f'errno = 0; if (!(syscall({call}) == -1 && errno == EPERM)) puts(R"({call})");'
        for call in calls
    )
    return _main(f'{lines}\nputs("denied");')


_DENIED = 'puts("denied");'

ATTACKS: dict[str, Attack] = {
    "spins": Attack(_main("for (volatile int i = 0;;) i = i + 1;"), ("time_limit",)),
    "sleeps": Attack(_main("sleep(60);"), ("time_limit",)),
    "ignores_every_signal": Attack(
        _main("for (int s = 1; s < 65; s++) signal(s, SIG_IGN);\nfor (;;) pause();"),
        ("time_limit",),
    ),
    "spins_in_many_threads": Attack(
        _main(
            "vector<thread> ts; for (int i = 0; i < 3; i++)"
            " ts.emplace_back([] { for (volatile int i = 0;;) i = i + 1; });"
            " for (auto &t : ts) t.join();"
        ),
        # Stacks of threads exceed an address space that stands in for measured memory.
        ("time_limit", "runtime_error"),
    ),
    "spins_in_children_that_nobody_waits_for": Attack(
        _main(
            "signal(SIGCHLD, SIG_IGN);\n"
            "for (int i = 0; i < 40; i++) if (fork() == 0) {"
            " for (clock_t c = clock(); clock() - c < 50000;); _exit(0); } else usleep(30000);\n"
            f"{_DENIED}"
        ),
        # Only a cgroup sees the time of children that a program disowns; else the clock ends it.
        ("time_limit", "accepted"),
    ),
    "allocates_and_touches": Attack(
        _main("for (;;) { char *p = (char *)malloc(1 << 20); memset(p, 1, 1 << 20); }"),
        ("memory_limit", "runtime_error"),
    ),
    "allocates_by_new": Attack(
        _main("vector<int *> v; for (;;) v.push_back(new int[1 << 18]());"),
        ("memory_limit", "runtime_error"),
    ),
    "fills_a_big_array": Attack(
        _main("for (size_t i = 0; i < sizeof a / 4; i += 1024) a[i] = 1;", "int a[1 << 27];"),
        ("memory_limit", "runtime_error"),
    ),
    "maps_memory": Attack(
        _main(
            "for (;;) { void *p = mmap(0, 1 << 20, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,"
            " -1, 0); if (p == MAP_FAILED) abort(); }"
        ),
        ("memory_limit", "runtime_error"),
    ),
    "maps_shared_memory": Attack(
        _main(
            "for (;;) { void *p = mmap(0, 1 << 20, 3, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE,"
            " -1, 0); if (p == MAP_FAILED) abort(); }"
        ),
        ("memory_limit", "runtime_error"),
    ),
    "fills_tmp": Attack(
        _main(
            "static char b[1 << 20]; for (int i = 0;; i++) { string n = to_string(i);"
            " int f = creat(n.c_str(), 0600);"
            " for (int k = 0; k < 8; k++) if (write(f, b, sizeof b) < (int)sizeof b) abort(); }"
        ),
        ("runtime_error", "memory_limit"),
    ),
    "recurses": Attack(
        _main(
            'printf("%d", f(1));',
            "int f(volatile int n) { volatile int a[64]; a[n & 63] = n; return f(n + 1) + a[5]; }",
        ),
        ("runtime_error", "memory_limit"),
    ),
    "floods_stdout": Attack(
        _main("string s(4096, 'x'); for (;;) fwrite(s.data(), 1, 4096, stdout);"),
        ("output_limit",),
    ),
    "floods_stderr": Attack(
        _main("string s(4096, 'x'); for (;;) fwrite(s.data(), 1, 4096, stderr);"),
        ("output_limit",),
    ),
    "fork_bomb": Attack(_main("for (;;) fork();"), ("time_limit", "runtime_error")),
    "fork_bomb_of_short_lives": Attack(
        _main("signal(SIGCHLD, SIG_IGN); for (;;) { if (fork() == 0 && fork() == 0) _exit(0); }"),
        ("time_limit", "runtime_error"),
    ),
    "thread_bomb": Attack(
        _main("for (;;) thread([] { sleep(60); }).detach();"), ("time_limit", "runtime_error")
    ),
    "orphan_by_double_fork": Attack(
        _main(
            "if (fork() == 0) { setsid(); if (fork() == 0) sleep(60); _exit(0); }\n"
            f"wait(0); {_DENIED}"
        ),
        ("accepted",),
    ),
    "reads_the_hosts_files": Attack(
        _main(
            'for (auto p : {"/etc/passwd", "/etc", "/root", "/home", "/proc", "/proc/1/environ",'
            ' "/proc/self/mem", "/sys", "/var", "/usr/bin", "/dev/shm", "/dev/random",'
            ' "/program/..", "/.."})\n'
            '  if (open(p, O_RDONLY) >= 0 && string(p) != "/..") puts(p);\n'
            'if (open("/../../../etc/passwd", O_RDONLY) >= 0) puts("out");\n'
            f"{_DENIED}"
        ),
        ("accepted",),
    ),
    "writes_outside": Attack(
        _main(
            'for (auto p : {"/attack", "/dev/attack", "/program", "/usr/attack"})\n'
            "  if (open(p, O_WRONLY | O_CREAT, 0666) >= 0) puts(p);\n"
            'if (chmod("/program", 0777) == 0) puts("chmod");\n'
            f"{_DENIED}"
        ),
        ("accepted",),
    ),
    "overwrites_itself": Attack(
        _main(
            f'if (truncate("/program", 0) == 0 || unlink("/program") == 0) puts("gone");\n{_DENIED}'
        ),
        ("accepted",),
    ),
    "network": Attack(
        _denied(
            "SYS_socket, 2, 1, 0",
            "SYS_socket, 10, 2, 0",
            "SYS_socket, 1, 1, 0",
            "SYS_socket, 16, 3, 0",
            "SYS_socketpair, 1, 1, 0, 0",
        ),
        ("accepted",),
    ),
    "ptrace": Attack(
        _denied(
            "SYS_ptrace, 0, 0, 0, 0",
            "SYS_ptrace, 16, 1, 0, 0",
            "SYS_process_vm_readv, 1, 0, 0, 0, 0, 0",
            "SYS_pidfd_getfd, 3, 1, 0",
            "SYS_pidfd_open, 1, 0",
            "SYS_kcmp, 1, 1, 0, 0, 0",
        ),
        ("accepted",),
    ),
    "mounts": Attack(
        _denied(
            'SYS_mount, "x", "/tmp", "tmpfs", 0, 0',
            'SYS_umount2, "/tmp", 2',
            'SYS_pivot_root, ".", "."',
            'SYS_chroot, "/tmp"',
            'SYS_open_tree, -100, "/", 1',
            "SYS_unshare, 0x10000000",
            "SYS_setns, 0, 0",
            "SYS_clone, 0x10000011, 0, 0, 0, 0",
        ),
        ("accepted",),
    ),
    "becomes_root": Attack(
        _denied("SYS_setuid, 0", "SYS_setresuid, 0, 0, 0", "SYS_setgroups, 0, 0", "SYS_capset, 0"),
        ("accepted",),
    ),
    "keyring": Attack(
        _denied("SYS_keyctl, 0, -3, 0", 'SYS_add_key, "user", "x", "y", 1, -3'), ("accepted",)
    ),
    "kernel_interfaces": Attack(
        _denied(
            "SYS_io_uring_setup, 1, 0",
            "SYS_bpf, 0, 0, 0",
            "SYS_perf_event_open, 0, 0, -1, -1, 0",
            "SYS_userfaultfd, 0",
            "SYS_finit_module, 0, 0, 0",
            "SYS_reboot, 0, 0, 0",
            "SYS_personality, 0x40000",
            'SYS_memfd_create, "x", 0',
            "SYS_seccomp, 1, 0, 0",
            "SYS_prctl, 4, 1, 0, 0, 0",
        ),
        ("accepted",),
    ),
    "shared_memory_that_outlives_it": Attack(
        _denied(
            "SYS_shmget, 0, 4096, 01600",
            "SYS_semget, 0, 1, 01600",
            "SYS_msgget, 0, 01600",
            'SYS_mq_open, "x", 0102, 0600, 0',
        ),
        ("accepted",),
    ),
    "executes_something_else": Attack(
        _main(
            'execl("/bin/sh", "sh", "-c", "echo out", (char *)0);\n'
            'execl("/lib64/ld-linux-x86-64.so.2", "ld", "/program", (char *)0);\n'
            f"{_DENIED}"
        ),
        ("accepted",),
    ),
    "kills_process_1": Attack(
        _main(f"for (int s = 1; s < 65; s++) {{ kill(1, s); kill(getppid(), s); }} {_DENIED}"),
        ("accepted",),
    ),
    "kills_everything": Attack(_main(f"kill(-1, SIGKILL); {_DENIED}"), ("accepted",)),
    "kills_its_group": Attack(_main("kill(0, SIGKILL);"), ("runtime_error",)),
    "holds_no_other_descriptor": Attack(
        _main(f'for (int i = 3; i < 5000; i++) if (fcntl(i, F_GETFD) >= 0) puts("fd"); {_DENIED}'),
        ("accepted",),
    ),
    "closes_stdout_early": Attack(_main(f"{_DENIED} fflush(stdout); close(1);"), ("accepted",)),
    "never_reads_a_huge_input": Attack(_main(_DENIED), ("accepted",)),
    "writes_into_its_input": Attack(
        _main(f'for (int i = 0; i < 999; i++) pwrite(0, "x", 1, i); {_DENIED}'), ("accepted",)
    ),
    "says_no_more_and_hangs": Attack(
        _main(f"{_DENIED} fflush(stdout); close(1); close(2); for (;;) pause();"),
        ("time_limit",),
    ),
    "has_capabilities": Attack(
        _main(
            "struct { unsigned v; int p; } h = {0x20080522, 0}; unsigned d[6] = {};\n"
            "syscall(SYS_capget, &h, d);\n"
            'if (d[0] | d[1] | d[2] | d[3] | d[4] | d[5] | !getuid()) puts("privileged");\n'
            f"{_DENIED}"
        ),
        ("accepted",),
    ),
}

# What each must say is a part of the message; where that is empty only the verdict counts.
COMPILER_ATTACKS: dict[str, str] = {
    "reads_random": '#include "/dev/random"\nint main() {}',
    "reads_zeros": '#include "/dev/zero"\nint main() {}',
    "reads_passwords": '#include "/etc/passwd"\nint main() {}',
    "reads_the_environment": '#include "/proc/self/environ"\nint main() {}',
    "reads_a_terminal": '#include "/dev/stdin"\nint main() {}',
    "includes_itself": '#include "main.cpp"\n#include "main.cpp"\nint main() {}',
    "embeds_passwords": 'asm(".incbin \\"/etc/passwd\\"");\nint main() {}',
    "embeds_zeros": 'asm(".incbin \\"/dev/zero\\"");\nint main() {}',
    "template_bomb": (
        "template <int N> struct F { static const long v = F<N - 1>::v + F<N - 2>::v; };\n"
        "template <int N, int M> struct G : G<N - 1, M>, G<N - 1, M + (1 << N)> {};\n"
        "template <int M> struct G<0, M> {};\n"
        "int main() { G<25, 0> g; return sizeof g; }"
    ),
    "macro_bomb": (
        "#define A0 x,x,x,x,x,x,x,x,x,x\n"
        + "".join(f"#define A{i + 1} {','.join([f'A{i}'] * 10)}\n" for i in range(9))
        + "int main() { int x; A9; }"
    ),
    "constant_expression_bomb": (
        "constexpr long f(long n) { long s = 0; for (long i = 0; i < n; i++) s += i; return s; }\n"
        "constexpr long g(int n) { return n ? f(200000 + n) + g(n - 1) : 0; }\n"
        "static_assert(g(500) + g(499) + g(498) > 0); int main() {}"
    ),
    "two_gigabytes_of_data": "int a[500000000] = {1};\nint main() { return a[5]; }",
    "error_flood": "#include <map>\n" + "int main() { std::map<int, int> m; m < 1; }\n" * 3000,
    "deep_nesting": "int main() { return " + "(" * 200_000 + "1" + ")" * 200_000 + "; }",
}
