/* Some calls in a row, with a pause before each: what a spare has time for between two calls
 * decides what the next one costs. */
#ifndef BENCH_SPACED_CALLS_H
#define BENCH_SPACED_CALLS_H

#include "measure.h"

struct spaced_calls {
    run_fn *call;
    void *context;
    unsigned pause_us; /* 0: back to back */
    size_t calls;      /* at most 64 */
};

/* A run: context is a struct spaced_calls. With pauses: the median of the calls' own times, the
 * first not counted, which finds what another has left. Back to back: the time of all of them
 * together, by their number. */
int64_t run_spaced_calls(void *context);

#endif
