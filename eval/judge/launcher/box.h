/* What the parts of the launcher share.
 *
 * enclose.c makes a box; process 1 of it then serves tests (serve.c), each of which is a process
 * that gives up everything (confine.c) and becomes the program, watched from outside (watch.c).
 * For Python programs process 1 is an interpreter (warm.py) that has loaded all but enclose.c as a
 * library: a test is a fork of it.
 */
#ifndef BOX_H
#define BOX_H

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* Descriptors of process 1, the same before and after it has become an interpreter. */
enum { CONTROL = 3, FILTER, PROC, OOM, PEAK, CPU, ADJUST, FIRST_FREE };

enum kind { ROOT, USERNS, BARE }; /* BARE: another tool has made the namespaces */

struct plan {
    enum kind kind;
    uid_t uid;                   /* of programs, kind ROOT; process 1 is root there */
    unsigned long long memory;   /* bytes that the whole box may use, 0 without a cgroup */
    unsigned long long tmp;      /* bytes of files in /tmp */
    unsigned long long stack;    /* bytes of stack that an interpreter makes room for */
    unsigned long long base;     /* bytes of address space of an idle process 1; 0: measure */
    int control, filter;         /* where the judge has opened these two */
    const char *door;            /* socket at which they are to be fetched instead, or NULL */
    const char *hold;            /* folder to build the root on; only this namespace sees it */
    const char *memory_cgroup;   /* folder to make, or NULL */
    const char *cpu_cgroup;      /* the same for CPU time, where that is a hierarchy of its own */
    char **list;                 /* bind=SOURCE:TARGET and link=PATH:TARGET, in order */
    char **interpreter;          /* argv of an interpreter, or an empty list */
};

/* Flags of a request. ONE_STREAM: stderr goes where stdout goes. NO_SIGPIPE: writing to who has
 * left is an error, not a signal. */
enum { COMPILE = 1, GIVEN_STDOUT = 2, GIVEN_PROGRAM = 4, COLLECT = 8, ONE_STREAM = 16,
       NO_SIGPIPE = 32 };

/* One message of the judge. Descriptors come with it: stdin, then stdout and the program where the
 * flags say so, then one for each file. Strings follow, each with its final zero: the arguments,
 * the names of the files, the name of the file to collect. */
struct request {
    uint32_t flags, arguments, files, processes;
    int64_t cpu_ns, wall_ns;
    uint64_t output, file_size, stack, address_space; /* bytes; 0: no limit on address space */
};

enum { READY, OUTPUT, COLLECTED, RESULT };          /* what a message of process 1 is */
enum { ENDED, CPU_LIMIT, WALL_LIMIT, OUTPUT_LIMIT, SETUP_FAILED }; /* why a test is over */

/* Behind its kind (uint32) RESULT has this, then the end of stderr, then the rest of stdout. */
struct result {
    int32_t reason, status; /* exit code, or negative the signal */
    int64_t cpu_ns, wall_ns;
    uint64_t memory; /* bytes at most */
    uint32_t oom_kills, stderr_size;
};

/* What a test tells process 1 about itself before it becomes the program. */
struct status {
    volatile int confined, error;
    volatile char where[60];
};

struct job {
    struct request request;
    int in, out, err, program, program_is_forked;
    char *arguments[64];
    struct status *status;
};

/* A test while it runs. */
struct watch {
    const struct request *request;
    pid_t process;
    int pidfd, out, err; /* ends to read; -1 once closed */
    int64_t started, deadline, cpu_before;
    uint64_t output; /* bytes so far */
};

enum { CHUNK = 1 << 16, TAIL = 4096 };

/* What a test has written and the judge does not have yet. */
struct output {
    size_t out_size, err_size;
    char out_bytes[CHUNK];
    char err_bytes[2 * TAIL]; /* the end of it only */
};

#define SECOND 1000000000LL

extern struct plan plan;
extern struct output output;

/* enclose.c has only main(). confine.c: */
void parse_plan(int argc, char **argv);
void mount_tmp(void);
void keep_capabilities(unsigned long long kept, int ambient);
void prepare_confinement(void);
void confine(struct job *job);
void fail(const char *what); /* says why on stderr and exits */
/* serve.c */
void send_message(uint32_t kind, const void *a, size_t n, const void *b, size_t m, const void *c,
                  size_t k);
int serve(void); /* returns in a forked test only, and there the request's flags */
/* watch.c */
int64_t now(clockid_t clock);
unsigned long long read_counter(int descriptor, const char *name);
int64_t box_cpu(void);
int64_t own_cpu(void);
int wait_for_end(struct watch *watch);
int drain(struct watch *watch);
void kill_all(pid_t process, struct result *result);

#endif
