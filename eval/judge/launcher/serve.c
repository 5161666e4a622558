/* Process 1 of a box: starts each test, measures it from outside, and leaves nothing running.
 *
 * A program cannot forge what is measured: it never holds the socket to the judge, it has no
 * capability and, as root, is another user than process 1, which, having no signal handlers,
 * receives no signal from inside its namespace, not even SIGKILL.
 */
#define _GNU_SOURCE
#include "box.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FILES = 100, WORDS = 1 << 15 }; /* boxes.py refuses more */

static char words[WORDS]; /* of the request: arguments and names */
static unsigned long long oom_seen;

void send_message(uint32_t kind, const void *a, size_t n, const void *b, size_t m,
                         const void *c, size_t k) {
    struct iovec parts[] = {{&kind, 4}, {(void *)a, n}, {(void *)b, m}, {(void *)c, k}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 4};
    while (sendmsg(CONTROL, &message, MSG_NOSIGNAL) < 0)
        if (errno != EINTR)
            exit(0); /* the judge has gone */
}

static int receive(struct request *request, int *descriptors, int *n_descriptors) {
    char space[CMSG_SPACE(sizeof(int) * (FILES + 3))];
    struct iovec parts[] = {{request, sizeof *request}, {words, sizeof words - 1}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2, .msg_control = space,
                             .msg_controllen = sizeof space};
    ssize_t size;
    while ((size = recvmsg(CONTROL, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
        ;
    if (size < (ssize_t)sizeof *request)
        return 0;
    words[size - sizeof *request] = 0;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *n_descriptors = header ? (header->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
    if (header)
        memcpy(descriptors, CMSG_DATA(header), *n_descriptors * sizeof(int));
    return 1;
}

static void copy_into_tmp(const char *name, int source) {
    char path[512], part[CHUNK];
    snprintf(path, sizeof path, "/tmp/%s", name);
    int file = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
    ssize_t size;
    for (off_t at = 0; (size = pread(source, part, sizeof part, at)) > 0; at += size)
        if (write(file, part, size) != size)
            fail(path);
    if (file < 0 || size < 0)
        fail(path);
    fchmod(file, 0666);
    close(file);
}

static void send_collected(const char *name) {
    char path[512];
    struct stat kind;
    snprintf(path, sizeof path, "/tmp/%s", name);
    /* The program made it: a link is not followed, a FIFO not waited for. */
    int file = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file >= 0 && fstat(file, &kind) == 0 && S_ISREG(kind.st_mode)) {
        ssize_t size;
        char part[CHUNK];
        while ((size = read(file, part, sizeof part)) > 0)
            send_message(COLLECTED, part, size, NULL, 0, NULL, 0);
    }
    close(file);
}

static void empty_folder(int folder) { /* where we may not mount: all files are our own */
    DIR *open_folder = fdopendir(folder);
    for (struct dirent *entry; open_folder && (entry = readdir(open_folder));) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        fchmodat(folder, name, 0700, 0);
        if (unlinkat(folder, name, 0) < 0) {
            int inner = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (inner >= 0)
                empty_folder(inner);
            unlinkat(folder, name, AT_REMOVEDIR);
        }
    }
    closedir(open_folder);
}

static void clean_tmp(void) {
    struct statfs space;
    struct stat folder;
    if (plan.kind == BARE) {
        chmod("/tmp", 0777);
        empty_folder(open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    } else if (statfs("/tmp", &space) < 0 || stat("/tmp", &folder) < 0 ||
               space.f_files - space.f_ffree > 1 || space.f_bfree < space.f_blocks ||
               (folder.st_mode & 07777) != 0777) {
        umount2("/tmp", MNT_DETACH);
        mount_tmp();
        prepare_confinement();
    }
}

static void adjust_oom_score(const char *score) {
    if (pwrite(ADJUST, score, strlen(score), 0) < 0)
        fail("adjust the score of who is killed for memory");
}

static void open_pipes(struct job *job, struct watch *watch) {
    int out[2] = {-1, -1}, err[2];
    if (pipe2(err, O_CLOEXEC) < 0 || (job->out < 0 && pipe2(out, O_CLOEXEC) < 0))
        fail("pipe");
    fcntl(err[0], F_SETFL, O_NONBLOCK);
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    watch->out = out[0];
    watch->err = err[0];
    job->err = err[1];
    if (job->out < 0)
        job->out = out[1];
}

static void close_all(const int *descriptors, int n) {
    for (int i = 0; i < n; i++)
        if (descriptors[i] >= 0)
            close(descriptors[i]);
}

/* Watch a test until nothing of it runs any more. */
static void measure(struct watch *watch, int64_t own_before, struct result *result) {
    const int ends[] = {watch->out, watch->err};
    watch->deadline = watch->started + watch->request->wall_ns;
    watch->pidfd = syscall(SYS_pidfd_open, watch->process, 0);
    result->reason = wait_for_end(watch);
    result->wall_ns = now(CLOCK_MONOTONIC) - watch->started;
    kill_all(watch->process, result);
    if (watch->cpu_before) {
        int64_t all = box_cpu() - watch->cpu_before - (own_cpu() - own_before);
        if (all > result->cpu_ns + SECOND / 50) /* children that nobody waited for */
            result->cpu_ns = all;
    }
    if (drain(watch) && !result->reason)
        result->reason = OUTPUT_LIMIT;
    close(watch->pidfd);
    close_all(ends, 2);
    unsigned long long peak = read_counter(PEAK, "");
    if (peak) /* else the largest process */
        result->memory = peak;
    unsigned long long ooms = read_counter(OOM, "oom_kill ");
    result->oom_kills = ooms - oom_seen;
    oom_seen = ooms;
}

static void send_result(const struct job *job, struct result *result) {
    if (!job->status->confined) {
        result->reason = SETUP_FAILED;
        output.err_size = snprintf(output.err_bytes, TAIL, "%s: %s", (char *)job->status->where,
                                   strerror(job->status->error));
    }
    size_t tail = output.err_size > TAIL ? TAIL : output.err_size;
    result->stderr_size = tail;
    send_message(RESULT, result, sizeof *result, output.err_bytes + output.err_size - tail, tail,
                 output.out_bytes, output.out_size);
}

/* In a forked test this returns the request's flags, else 0. */
static int run_test(struct job *job, const char *collect) {
    struct watch watch = {.request = &job->request};
    struct result result = {0};
    open_pipes(job, &watch);
    output.out_size = output.err_size = 0;
    memset(job->status, 0, sizeof *job->status);
    if (pwrite(PEAK, "0", 1, 0) < 0)
        fail("reset the peak of memory");
    /* Where memory runs out in the box, a test dies, never process 1. It inherits this. */
    adjust_oom_score("1000");
    watch.cpu_before = box_cpu();
    int64_t own_before = own_cpu();
    watch.started = now(CLOCK_MONOTONIC); /* a vfork comes back after the exec */
    watch.process = job->program_is_forked ? fork() : vfork();
    if (watch.process == 0) {
        confine(job); /* comes back in a forked test only */
        return (int)job->request.flags;
    }
    if (watch.process < 0)
        fail("fork");
    adjust_oom_score("0");
    close_all((int[]){job->in, job->out, job->err, job->program}, 4);
    measure(&watch, own_before, &result);
    if (*collect)
        send_collected(collect);
    send_result(job, &result);
    clean_tmp();
    return 0;
}

int serve(void) {
    enum { NEEDED = 1 << 5 | 1 << 6 | 1 << 7 | 1 << 21 }; /* KILL, SETGID, SETUID, SYS_ADMIN */
    int forked = *plan.interpreter != NULL;
    keep_capabilities(plan.kind == BARE ? 0 : NEEDED, 0);
    prctl(PR_SET_DUMPABLE, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int number = PROC; number < FIRST_FREE; number++)
        fcntl(number, F_SETFD, FD_CLOEXEC);
    fcntl(CONTROL, F_SETFD, FD_CLOEXEC);
    prepare_confinement();
    oom_seen = read_counter(OOM, "oom_kill ");
    if (!plan.base) {
        int file = openat(PROC, "self/statm", O_RDONLY | O_CLOEXEC);
        plan.base = read_counter(file, "") * sysconf(_SC_PAGESIZE);
        close(file);
    }
    struct job job = {.program_is_forked = forked};
    job.status = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    send_message(READY, NULL, 0, NULL, 0, NULL, 0);
    int descriptors[FILES + 3], n = 0;
    while (receive(&job.request, descriptors, &n)) {
        int next = 0;
        char *word = words;
        job.in = descriptors[next++];
        job.out = job.request.flags & GIVEN_STDOUT ? descriptors[next++] : -1;
        job.program = job.request.flags & GIVEN_PROGRAM ? descriptors[next++] : -1;
        for (uint32_t i = 0; i < job.request.arguments && i < 63; i++, word += strlen(word) + 1)
            job.arguments[i] = word, job.arguments[i + 1] = NULL;
        for (uint32_t i = 0; i < job.request.files; i++, word += strlen(word) + 1) {
            copy_into_tmp(word, descriptors[next]);
            close(descriptors[next++]);
        }
        if (job.request.address_space && forked)
            job.request.address_space += plan.base;
        int flags = run_test(&job, job.request.flags & COLLECT ? word : "");
        if (flags)
            return flags;
    }
    exit(0);
}
