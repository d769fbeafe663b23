/* Makes some calls in a row, with a pause before each. */
#include "spaced_calls.h"

#include <stdlib.h>
#include <time.h>

enum { CALLS_MOST = 64 };

static int compare_times(const void *left, const void *right)
{
    const int64_t a = *(const int64_t *)left;
    const int64_t b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

static int64_t run_back_to_back(const struct spaced_calls *spaced)
{
    const uint64_t start = clock_ns();
    for (size_t i = 0; i < spaced->calls; i++)
        if (spaced->call(spaced->context) < 0)
            return RUN_FAILED;
    return elapsed_since(start) / (int64_t)spaced->calls;
}

int64_t run_spaced_calls(void *context)
{
    const struct spaced_calls *const spaced = context;
    const struct timespec pause = {.tv_nsec = (long)spaced->pause_us * 1000};
    int64_t times[CALLS_MOST];
    if (spaced->calls == 0 || spaced->calls > CALLS_MOST || spaced->call(spaced->context) < 0)
        return RUN_FAILED;
    if (spaced->pause_us == 0)
        return run_back_to_back(spaced);
    for (size_t i = 0; i < spaced->calls; i++) {
        nanosleep(&pause, NULL);
        times[i] = spaced->call(spaced->context);
        if (times[i] < 0)
            return RUN_FAILED;
    }
    qsort(times, spaced->calls, sizeof *times, compare_times);
    return times[spaced->calls / 2];
}
