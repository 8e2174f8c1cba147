/* What a round trip between two processes costs in C: 32 bytes over a pair of unix sockets, with
 * blocking reads and writes. Takes the commands of bridge/bench/programs.ts for that one row, and
 * answers them. The benchmark compiles it for itself; it is no part of the product. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BYTES = 32, SAMPLES_MAX = 1 << 18, SAMPLES_MIN = 5 };
static const char COMMAND[] = " {\"kind\":\"row\",\"row\":\"round-trip-32\",\"durationMs\":%lf}";
static const char ANSWER[] =
    "{\"measured\":{\"figures\":{\"round-trip-32-p50\":%.3f,\"round-trip-32-p99\":%.3f},\"messages\":0}}\n";
static double samples[SAMPLES_MAX];

static double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int measure(int fd, double duration_us) {
    char bytes[BYTES] = {0};
    int count = 0;
    double now = now_us(), deadline = now + duration_us;
    while (count < SAMPLES_MAX && (now < deadline || count < SAMPLES_MIN)) {
        if (write(fd, bytes, BYTES) != BYTES || read(fd, bytes, BYTES) != BYTES) exit(1);
        double end = now_us();
        samples[count++] = end - now;
        now = end;
    }
    qsort(samples, count, sizeof *samples, compare);
    return count;
}

int main(void) {
    int pair[2];
    double duration_ms;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return 1;
    if (fork() == 0) {
        char bytes[BYTES];
        close(pair[0]);
        while (read(pair[1], bytes, BYTES) == BYTES && write(pair[1], bytes, BYTES) == BYTES);
        return 0;
    }
    close(pair[1]);
    while (scanf(COMMAND, &duration_ms) == 1) {
        measure(pair[0], duration_ms * 1e3 / 5); /* to warm up */
        int count = measure(pair[0], duration_ms * 1e3);
        printf(ANSWER, samples[count / 2], samples[(int)(count * 0.99)]);
        fflush(stdout);
    }
    return 0;
}
