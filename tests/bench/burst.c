#include "burst.h"

#include <stdlib.h>
#include <time.h>

enum { CALLS_MOST = 64 };

static int compare_times(const void *left, const void *right)
{
    const int64_t a = *(const int64_t *)left;
    const int64_t b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

static int64_t run_back_to_back(const struct burst *burst)
{
    const uint64_t start = clock_ns();
    for (size_t i = 0; i < burst->calls; i++)
        if (burst->call(burst->context) < 0)
            return RUN_FAILED;
    return elapsed_since(start) / (int64_t)burst->calls;
}

int64_t run_burst(void *context)
{
    const struct burst *const burst = context;
    const struct timespec pause = {.tv_nsec = (long)burst->pause_us * 1000};
    int64_t times[CALLS_MOST];
    if (burst->calls == 0 || burst->calls > CALLS_MOST || burst->call(burst->context) < 0)
        return RUN_FAILED;
    if (burst->pause_us == 0)
        return run_back_to_back(burst);
    for (size_t i = 0; i < burst->calls; i++) {
        nanosleep(&pause, NULL);
        times[i] = burst->call(burst->context);
        if (times[i] < 0)
            return RUN_FAILED;
    }
    qsort(times, burst->calls, sizeof *times, compare_times);
    return times[burst->calls / 2];
}
