/* Make a box and serve in it until the judge closes the pipe; one process pair a submission.
 *
 * The outer process stays where it is, waits, and removes the cgroups. Process 1 of the box ends
 * when the judge goes away, however it goes, and the kernel kills whatever is left in the box.
 */
#define _GNU_SOURCE
#include "box.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUTER_UID_IN_BOX = 1000 }; /* what a plain user's id looks like inside */

static void check(int result, const char *what) {
    if (result < 0)
        fail(what);
}

static void write_file(const char *folder, const char *name, const char *text) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0 || write(file, text, strlen(text)) < 0)
        fail(path);
    close(file);
}

static int has_file(const char *folder, const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

/* Open folder/name as descriptor `number`, which process 1 keeps. */
static void open_as(int number, const char *folder, const char *name, int flags) {
    char path[4096];
    snprintf(path, sizeof path, *name ? "%s/%s" : "%s", folder, name);
    int file = open(path, flags);
    check(file < 0 ? -1 : dup2(file, number), path);
    if (file != number)
        close(file);
}

static void become_root_of_user_namespace(void) {
    char line[64];
    uid_t uid = geteuid();
    gid_t gid = getegid();
    check(unshare(CLONE_NEWUSER), "unshare(CLONE_NEWUSER)");
    write_file("/proc/self", "setgroups", "deny");
    snprintf(line, sizeof line, "%d %u 1", OUTER_UID_IN_BOX, uid);
    write_file("/proc/self", "uid_map", line);
    snprintf(line, sizeof line, "%d %u 1", OUTER_UID_IN_BOX, gid);
    write_file("/proc/self", "gid_map", line);
}

static void make_cgroups(void) {
    char text[32];
    const char *folder = plan.memory_cgroup;
    if (folder) {
        check(mkdir(folder, 0755), folder);
        int second = has_file(folder, "memory.max"); /* of the two versions of cgroups */
        snprintf(text, sizeof text, "%llu", plan.memory);
        write_file(folder, second ? "memory.max" : "memory.limit_in_bytes", text);
        if (second && has_file(folder, "memory.swap.max"))
            write_file(folder, "memory.swap.max", "0");
        if (has_file(folder, "memory.memsw.limit_in_bytes")) /* memory and swap together */
            write_file(folder, "memory.memsw.limit_in_bytes", text);
    }
    if (plan.cpu_cgroup)
        check(mkdir(plan.cpu_cgroup, 0755), plan.cpu_cgroup);
}

/* Join them as process 1, and keep their counters open: the root to come has none. */
static void enter_cgroups(void) {
    const char *folder = plan.memory_cgroup;
    if (folder) {
        write_file(folder, "cgroup.procs", "0");
        int second = has_file(folder, "memory.max");
        open_as(OOM, folder, second ? "memory.events" : "memory.oom_control", O_RDONLY);
        if (!second) /* a peak of version 2 cannot be reset before Linux 6.12 */
            open_as(PEAK, folder, "memory.max_usage_in_bytes", O_RDWR);
        if (second)
            open_as(CPU, folder, "cpu.stat", O_RDONLY);
    }
    if (plan.cpu_cgroup) {
        write_file(plan.cpu_cgroup, "cgroup.procs", "0");
        open_as(CPU, plan.cpu_cgroup, "cpuacct.usage", O_RDONLY);
    }
}

static void remove_cgroup(const char *folder) {
    for (int i = 0; folder && rmdir(folder) < 0; i++) {
        if (errno != EBUSY || i == 2000) {
            perror(folder);
            return;
        }
        usleep(1000); /* until the kernel has let go of the last process */
    }
}

static void make_folders(const char *path) { /* all but the last component */
    char part[4096];
    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        if (mkdir(part, 0755) < 0 && errno != EEXIST)
            fail(part);
    }
}

static void restrict_mount(const char *path, unsigned long attributes, int recursive) {
    struct mount_attr change = {.attr_set = attributes};
    check(syscall(SYS_mount_setattr, AT_FDCWD, path, recursive ? AT_RECURSIVE : 0, &change,
                  sizeof change),
          path);
}

static void bind_into(const char *source, const char *target, unsigned long attributes) {
    struct stat kind;
    check(stat(source, &kind), source);
    make_folders(target);
    if (S_ISDIR(kind.st_mode))
        check(mkdir(target, 0755) < 0 && errno != EEXIST ? -1 : 0, target);
    else
        close(open(target, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    check(mount(source, target, NULL, MS_BIND | MS_REC, NULL), source);
    restrict_mount(target, attributes, 1);
}

/* An empty, read-only root with what the judge lists; the host's tree is gone then. */
static void make_root(void) {
    char target[4096], source[4096];
    check(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), "make mounts private");
    check(mount("box", plan.hold, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m"), plan.hold);
    for (char **item = plan.list; *item; item++) {
        char *colon = strrchr(*item, ':');
        snprintf(target, sizeof target, "%s%s", plan.hold,
                 **item == 'b' ? colon + 1 : strchr(*item, '=') + 1);
        snprintf(source, sizeof source, "%s", strchr(*item, '=') + 1);
        if (**item == 'b') {
            *strrchr(source, ':') = 0;
            int device = strncmp(source, "/dev/", 5) == 0;
            bind_into(source, target, MOUNT_ATTR_NOSUID |
                      (device ? 0 : MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV));
        } else {
            *strrchr(target, ':') = 0;
            make_folders(target);
            check(symlink(colon + 1, target), target);
        }
    }
    snprintf(target, sizeof target, "%s/tmp", plan.hold);
    check(mkdir(target, 0755), target);
    restrict_mount(plan.hold, MOUNT_ATTR_RDONLY, 0);
    check(chdir(plan.hold), plan.hold);
    check(syscall(SYS_pivot_root, ".", "."), "pivot_root");
    check(umount2(".", MNT_DETACH), "let go of the old root");
    check(chdir("/"), "/");
    mount_tmp();
}

static void enclose(void) {
    for (int number = PROC; number < FIRST_FREE; number++)
        open_as(number, "/dev/null", "", O_RDWR); /* a counter that nobody has reads as nothing */
    if (plan.kind == BARE) {
        check(chdir("/"), "/");
        return;
    }
    open_as(PROC, "/proc", "", O_PATH | O_DIRECTORY);
    open_as(ADJUST, "/proc/self/oom_score_adj", "", O_WRONLY);
    enter_cgroups();
    check(unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS), "unshare");
    check(sethostname("box", 3), "sethostname");
    make_root();
}

static void run_as_process_1(void) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setsid(); /* else kill(0) from a test would reach the outer process */
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL); /* a handler would make process 1 killable */
    enclose();
    if (!*plan.interpreter) {
        serve();
        exit(0);
    }
    /* The space that is left for the stack above the libraries is decided now. */
    struct rlimit room = {plan.stack, RLIM_INFINITY};
    if (getrlimit(RLIMIT_STACK, &room) == 0 && room.rlim_max > plan.stack) {
        room.rlim_cur = plan.stack;
        setrlimit(RLIMIT_STACK, &room);
    }
    keep_capabilities(~0ULL, 1); /* it needs what we have */
    execv(*plan.interpreter, plan.interpreter);
    fail(*plan.interpreter);
}

/* What cannot be inherited from the judge, it gives to who comes to its socket. */
static void fetch_descriptors(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char byte, space[CMSG_SPACE(2 * sizeof(int))];
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space,
                             .msg_controllen = sizeof space};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", plan.door);
    int end = socket(AF_UNIX, SOCK_SEQPACKET, 0), received[2];
    check(connect(end, (struct sockaddr *)&address, sizeof address), plan.door);
    if (recvmsg(end, &message, 0) != 1 || !CMSG_FIRSTHDR(&message))
        fail(plan.door);
    memcpy(received, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof received);
    plan.control = received[0];
    plan.filter = received[1];
    close(end);
}

int main(int argc, char **argv) {
    umask(022);
    parse_plan(argc - 1, argv + 1);
    if (plan.door)
        fetch_descriptors();
    int control = fcntl(plan.control, F_DUPFD, 100), filter = fcntl(plan.filter, F_DUPFD, 100);
    dup2(control, CONTROL);
    dup2(filter, FILTER);
    syscall(SYS_close_range, PROC, ~0U, 0);
    if (plan.kind == BARE)
        run_as_process_1();
    if (plan.kind == USERNS)
        become_root_of_user_namespace();
    make_cgroups();
    check(unshare(CLONE_NEWPID), "unshare(CLONE_NEWPID)");
    pid_t process = fork();
    check(process, "fork");
    if (process == 0)
        run_as_process_1();
    close(CONTROL);
    close(FILTER);
    int status = 0;
    waitpid(process, &status, 0);
    remove_cgroup(plan.memory_cgroup);
    remove_cgroup(plan.cpu_cgroup);
    if (WIFSIGNALED(status))
        fprintf(stderr, "process 1 of the box died by signal %d\n", WTERMSIG(status));
    return status != 0;
}
