/* The C program beside article.py: makes a round of calls for each line "CALLS REST_US" that it
 * reads, and writes how many microseconds each took. */
#include <forkcall.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int64_t sum_here(int64_t last);
int sum_isolated(int64_t last, int64_t *sum, char *message, size_t message_size);

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* The microseconds that a call took; less than 0: its answer is wrong, which is told. */
static double call(int64_t last)
{
    char message[300];
    int64_t sum = 0;
    const double begin = now_us();
    const int status = sum_isolated(last, &sum, message, sizeof message);
    if (status == FORKCALL_OK && sum == last * (last + 1) / 2)
        return now_us() - begin;
    fprintf(stderr, "the sum of 1 to %" PRId64 ": status %d, %" PRId64 ": %s\n", last, status, sum, message);
    return -1;
}

int main(void)
{
    char line[100];
    forkcall_init();
    sum_here(1000); /* as in the Python program, OpenMP is used here, too */
    while (fgets(line, sizeof line, stdin) != NULL) {
        char *rest;
        const long calls = strtol(line, &rest, 10);
        const useconds_t rest_us = (useconds_t)strtol(rest, NULL, 10);
        for (long last = 0; last < calls; last++) {
            const double took = call(last);
            if (took < 0)
                return 1;
            printf("%.1f\n", took);
            if (rest_us > 0)
                usleep(rest_us);
        }
        fflush(stdout);
    }
    return 0;
}
