/* Makes some calls in a row, with a pause before each: what a spare has time for between two calls
 * decides what the next call costs. */
#ifndef BENCH_SPACED_CALLS_H
#define BENCH_SPACED_CALLS_H

#include "measure.h"

struct spaced_calls {
    run_fn *call;
    void *context;
    unsigned pause_us; /* 0: no pauses */
    size_t calls;      /* at most 64 */
};

/* A run: context is a struct spaced_calls. With pauses: returns the median of the calls' own
 * times, without the first call, which finds what another variant has left. Without pauses: the
 * time of all calls together, divided by their number. */
int64_t run_spaced_calls(void *context);

#endif
