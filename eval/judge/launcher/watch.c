/* Watching a test from outside: its clocks, its output, its end, and the end of all it started. */
#define _GNU_SOURCE
#include "box.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct output output;

int64_t now(clockid_t clock) {
    struct timespec time;
    return clock_gettime(clock, &time) < 0 ? 0 : time.tv_sec * SECOND + time.tv_nsec;
}

unsigned long long read_counter(int descriptor, const char *name) {
    char text[1024];
    ssize_t size = pread(descriptor, text, sizeof text - 1, 0);
    if (size <= 0)
        return 0;
    text[size] = 0;
    char *at = *name ? strstr(text, name) : text;
    return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

int64_t box_cpu(void) { /* of all that ever ran in the box; 0 where nobody counts */
    unsigned long long nanoseconds = read_counter(CPU, "");
    return nanoseconds ? nanoseconds : read_counter(CPU, "usage_usec ") * 1000;
}

int64_t own_cpu(void) { return now(CLOCK_PROCESS_CPUTIME_ID); }

/* How long a test has waited for a processor that others had: not its own fault. */
static int64_t waited_for_processor(int pidfd) {
    char path[64];
    snprintf(path, sizeof path, "self/fdinfo/%d", pidfd);
    int file = openat(PROC, path, O_RDONLY | O_CLOEXEC);
    unsigned long long process = read_counter(file, "\nPid:");
    close(file);
    snprintf(path, sizeof path, "%llu/schedstat", process);
    char text[128] = "";
    file = openat(PROC, path, O_RDONLY | O_CLOEXEC);
    ssize_t size = file < 0 ? 0 : read(file, text, sizeof text - 1);
    close(file);
    long long ran, waited = 0;
    return size > 0 && sscanf(text, "%lld %lld", &ran, &waited) == 2 ? waited : 0;
}

static int64_t cpu_used(const struct watch *watch) {
    clockid_t clock = (clockid_t)((~(unsigned)watch->process << 3) | 2);
    int64_t first = now(clock);
    int64_t all = watch->cpu_before ? box_cpu() - watch->cpu_before : 0;
    return all > first ? all : first;
}

/* Read what is there; 0 at the end. Output is passed on in chunks, so that we need little memory,
 * and never what goes beyond the limit. */
static ssize_t read_out(struct watch *watch) {
    if (output.out_size == CHUNK) {
        send_message(OUTPUT, output.out_bytes, output.out_size, NULL, 0, NULL, 0);
        output.out_size = 0;
    }
    ssize_t size = read(watch->out, output.out_bytes + output.out_size, CHUNK - output.out_size);
    if (size > 0)
        output.out_size += size, watch->output += size;
    return size;
}

static ssize_t read_err(struct watch *watch) {
    if (output.err_size > TAIL) {
        memmove(output.err_bytes, output.err_bytes + output.err_size - TAIL, TAIL);
        output.err_size = TAIL;
    }
    size_t room = sizeof output.err_bytes - output.err_size;
    ssize_t size = read(watch->err, output.err_bytes + output.err_size, room);
    if (size > 0)
        output.err_size += size, watch->output += size;
    return size;
}

static int over_limit(struct watch *watch) {
    int64_t wall_left = watch->deadline - now(CLOCK_MONOTONIC);
    if (wall_left <= 0) {
        int64_t waited = waited_for_processor(watch->pidfd);
        /* It may wait for processes of its own; only a counter of all of them tells. */
        int64_t most = watch->started + (watch->cpu_before ? 10 : 3) * watch->request->wall_ns;
        watch->deadline = watch->started + watch->request->wall_ns + waited;
        if (watch->deadline > most)
            watch->deadline = most;
        if (watch->deadline <= now(CLOCK_MONOTONIC) + SECOND / 1000)
            return WALL_LIMIT;
    }
    return cpu_used(watch) >= watch->request->cpu_ns ? CPU_LIMIT : ENDED;
}

/* Wait for the first process of the test to end, or for a limit. */
int wait_for_end(struct watch *watch) {
    static int64_t processors;
    if (!processors)
        processors = sysconf(_SC_NPROCESSORS_ONLN);
    int64_t check = watch->started + watch->request->cpu_ns / processors;
    for (;;) {
        struct pollfd events[] = {{watch->pidfd, POLLIN, 0}, {watch->out, POLLIN, 0},
                                  {watch->err, POLLIN, 0}, {CONTROL, 0, 0}};
        int64_t next = check < watch->deadline ? check : watch->deadline;
        int64_t left = next - now(CLOCK_MONOTONIC);
        struct timespec timeout = {0, 0};
        if (left > 0)
            timeout = (struct timespec){left / SECOND, left % SECOND};
        int ready = ppoll(events, 4, &timeout, NULL);
        if (events[3].revents & (POLLHUP | POLLERR))
            exit(0); /* the judge has gone: the kernel kills whatever is in the box */
        if (ready > 0 && events[1].revents && read_out(watch) == 0)
            watch->out = -1;
        if (ready > 0 && events[2].revents && read_err(watch) == 0)
            watch->err = -1;
        if (watch->output > watch->request->output)
            return OUTPUT_LIMIT;
        if (ready > 0 && events[0].revents)
            return ENDED;
        if (now(CLOCK_MONOTONIC) >= next) {
            int reason = over_limit(watch);
            if (reason)
                return reason;
            int64_t cpu_left = watch->request->cpu_ns - cpu_used(watch);
            int64_t pause = cpu_left / processors;
            check = now(CLOCK_MONOTONIC) + (pause > SECOND / 1000 ? pause : SECOND / 1000);
        }
    }
}

/* What dead writers have left in the pipes. */
int drain(struct watch *watch) {
    while (watch->out >= 0 && read_out(watch) > 0 && watch->output <= watch->request->output)
        ;
    while (watch->err >= 0 && read_err(watch) > 0 && watch->output <= watch->request->output)
        ;
    return watch->output > watch->request->output;
}

/* End every other process of the box, and count what all of them used. */
void kill_all(pid_t process, struct result *result) {
    kill(-1, SIGKILL); /* the kernel holds its list of processes: no fork slips through */
    for (;;) {
        int status;
        struct rusage used;
        pid_t pid = wait4(-1, &status, 0, &used);
        if (pid < 0 && errno == EINTR)
            continue;
        if (pid < 0)
            return;
        result->cpu_ns += (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * SECOND +
                          (used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1000LL;
        uint64_t resident = (uint64_t)used.ru_maxrss << 10;
        if (resident > result->memory)
            result->memory = resident;
        if (pid == process)
            result->status = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    }
}
