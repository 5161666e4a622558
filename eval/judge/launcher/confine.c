/* What a test gives up, for good, before it becomes the program; and how process 1 prepares it. */
#define _GNU_SOURCE
#include "box.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct plan plan;
static struct sock_filter steps[4096];
static struct sock_fprog filter = {0, steps};
static int landlock = -1; /* a ruleset; stays -1 on kernels without it */

static char *none[] = {NULL};
/* The same for every program on every machine; sets are printed in the same order every time. */
static char *environment[] = {"LANG=C.UTF-8", "PATH=/usr/bin:/", "HOME=/tmp", "TMPDIR=/tmp", NULL};

void fail(const char *what) {
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static unsigned long long number(const char *text) { return strtoull(text, NULL, 10); }

/* NAME=VALUE a word, then the interpreter's own words after "--". */
void parse_plan(int argc, char **argv) {
    static char *list[512];
    int listed = 0;
    plan.list = list;
    plan.interpreter = none;
    for (int i = 0; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (strcmp(argv[i], "--") == 0) {
            plan.interpreter = argv + i + 1;
            break;
        }
        value = value ? value + 1 : argv[i];
        switch (argv[i][0]) {
        case 'k': plan.kind = *value == 'r' ? ROOT : *value == 'u' ? USERNS : BARE; break;
        case 'u': plan.uid = number(value); break;
        case 'm': plan.memory = number(value); break;
        case 't': plan.tmp = number(value); break;
        case 's': plan.stack = number(value); break;
        case 'a': plan.base = number(value); break;
        case 'c': plan.control = number(value); break;
        case 'f': plan.filter = number(value); break;
        case 'd': plan.door = value; break;
        case 'h': plan.hold = value; break;
        case 'M': plan.memory_cgroup = value; break;
        case 'C': plan.cpu_cgroup = value; break;
        case 'b': case 'l': /* bind, link */
            if (listed < 511)
                list[listed++] = argv[i];
            break;
        default: errno = EINVAL; fail(argv[i]);
        }
    }
}

void mount_tmp(void) {
    char options[64];
    snprintf(options, sizeof options, "mode=0777,size=%llu,nr_inodes=4096", plan.tmp);
    if (mount("tmp", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) < 0)
        fail("mount /tmp");
}

/* Keep those of our capabilities, also over the next exec if `ambient`, and never get others. */
void keep_capabilities(unsigned long long kept, int ambient) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    for (int i = 0; i < 64; i++)
        if (!(kept >> i & 1) && prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0 && errno == EINVAL)
            break; /* past the last one that this kernel knows */
    syscall(SYS_capget, &header, data);
    for (int half = 0; half < 2; half++) {
        data[half].permitted &= (uint32_t)(kept >> 32 * half);
        data[half].effective = data[half].permitted;
        data[half].inheritable = ambient ? data[half].permitted : 0;
    }
    if (syscall(SYS_capset, &header, data) < 0)
        fail("capset");
    for (int i = 0; ambient && i < 64; i++)
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0);
}

static void allow(const char *path, unsigned long long access) {
    struct landlock_path_beneath_attr rule = {access, open(path, O_PATH | O_CLOEXEC)};
    if (rule.parent_fd >= 0) {
        syscall(SYS_landlock_add_rule, landlock, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
        close(rule.parent_fd);
    }
}

/* A second lock on what the mounts and the filter lock already. Made anew for each /tmp. */
static void prepare_landlock(void) {
    if (landlock >= 0)
        close(landlock);
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 1)
        return;
    unsigned long long reading = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |
                                 LANDLOCK_ACCESS_FS_READ_DIR;
    unsigned long long all = (1ULL << (version > 2 ? 15 : version > 1 ? 14 : 13)) - 1;
    struct { uint64_t files, net, scoped; } handled = {all, 3, 3}; /* TCP; sockets, signals */
    size_t size = version >= 6 ? 24 : version >= 4 ? 16 : 8;
    landlock = syscall(SYS_landlock_create_ruleset, &handled, size, 0);
    if (landlock < 0)
        return;
    fcntl(landlock, F_SETFD, FD_CLOEXEC);
    allow("/", reading);
    allow("/dev", reading | LANDLOCK_ACCESS_FS_WRITE_FILE);
    allow("/tmp", all & ~(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                          LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SOCK));
}

void prepare_confinement(void) {
    if (!filter.len) {
        ssize_t size = pread(FILTER, steps, sizeof steps, 0);
        if (size <= 0)
            fail("read the filter");
        filter.len = size / sizeof *steps;
        close(FILTER);
    }
    prepare_landlock();
}

static void limit(int kind, unsigned long long value) {
    struct rlimit now;
    if (prlimit(0, kind, NULL, &now) == 0 && value > now.rlim_max)
        value = now.rlim_max;
    struct rlimit both = {value, value};
    prlimit(0, kind, &both, NULL);
}

static void set_limits(const struct request *request) {
    /* Process 1 and the outer process are the same user there. */
    limit(RLIMIT_NPROC, request->processes + (plan.kind == ROOT ? 0 : 2));
    limit(RLIMIT_CPU, request->cpu_ns / 1000000000 + 1); /* process 1 is more exact */
    limit(RLIMIT_FSIZE, request->file_size);
    limit(RLIMIT_STACK, request->stack);
    limit(RLIMIT_NOFILE, 64);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_MEMLOCK, 0);
    limit(RLIMIT_MSGQUEUE, 0);
    if (request->address_space)
        limit(RLIMIT_AS, request->address_space);
}

static void give_up(struct job *job, const char *where) {
    job->status->error = errno;
    for (int i = 0; where[i] && i < 59; i++)
        job->status->where[i] = where[i];
    _exit(127);
}

static void drop_privileges(struct job *job) {
    /* The system calls themselves: libc's wrappers would lock what a vfork shares. */
    if (plan.kind == ROOT &&
        (syscall(SYS_setgroups, 0, NULL) < 0 ||
         syscall(SYS_setresgid, plan.uid, plan.uid, plan.uid) < 0 ||
         syscall(SYS_setresuid, plan.uid, plan.uid, plan.uid) < 0))
        give_up(job, "change the user");
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct nothing[2] = {{0, 0, 0}, {0, 0, 0}};
    if (syscall(SYS_capset, &header, nothing) < 0)
        give_up(job, "drop capabilities");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        give_up(job, "no_new_privs");
    if (landlock >= 0 && syscall(SYS_landlock_restrict_self, landlock, 0) < 0)
        give_up(job, "landlock");
}

/* Runs in the test's own process, which after a vfork still lives in process 1's memory. */
void confine(struct job *job) {
    syscall(SYS_setsid);
    if (chdir("/tmp") < 0)
        give_up(job, "enter /tmp");
    dup2(job->in, 0);
    dup2(job->out, 1);
    dup2(job->request.flags & ONE_STREAM ? job->out : job->err, 2);
    if (job->request.flags & NO_SIGPIPE)
        signal(SIGPIPE, SIG_IGN);
    set_limits(&job->request);
    drop_privileges(job);
    if (job->program_is_forked && job->program >= 0)
        dup2(job->program, 3);
    if (syscall(SYS_close_range, job->program_is_forked ? 4 : 3, ~0U,
                job->program_is_forked ? 0 : 4 /* CLOSE_RANGE_CLOEXEC */) < 0)
        give_up(job, "close descriptors");
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) < 0)
        give_up(job, "install the filter");
    job->status->confined = 1;
    if (job->program_is_forked)
        return;
    syscall(SYS_execve, job->arguments[0], job->arguments, environment);
    job->status->confined = 0;
    give_up(job, job->arguments[0]);
}
