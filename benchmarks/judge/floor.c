/* The floor of a test's cost: start a program with its output in a pipe, wait, N times.
 * Usage: floor PROGRAM N; prints nanoseconds a run. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int argc, char **argv) {
    int n = argc > 2 ? atoi(argv[2]) : 1, out[2], status;
    char text[64];
    double started = now();
    for (int i = 0; i < n; i++) {
        if (pipe(out) < 0)
            return 1;
        pid_t process = fork();
        if (process == 0) {
            dup2(out[1], 1);
            close(out[0]);
            close(out[1]);
            execl(argv[1], argv[1], (char *)0);
            _exit(127);
        }
        close(out[1]);
        if (read(out[0], text, sizeof text) <= 0)
            return 1;
        close(out[0]);
        if (waitpid(process, &status, 0) < 0 || status != 0)
            return 1;
    }
    printf("%.0f\n", (now() - started) / n);
    return 0;
}
