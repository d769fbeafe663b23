/* Times several ways to do the same thing in turn, so that noise affects all alike: each is run
 * once per round, in another order in every round. What one run leaves to the next (memory in
 * small or huge pages, warm caches) affects all alike, too. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stddef.h>
#include <stdint.h>

/* The return value of a run whose outcome was wrong. */
#define RUN_FAILED (-1)

/* One run: returns the nanoseconds that it took, as the run itself counts them, or RUN_FAILED. */
typedef int64_t run_fn(void *context);

struct variant {
    const char *name;
    run_fn *run;
    void *context;
};

/* Rounds are run until `seconds` have passed, but at least min_rounds and at most max_rounds. */
struct effort {
    size_t warm_up; /* rounds that are run and checked, but not counted */
    size_t min_rounds;
    size_t max_rounds;
    double seconds;
};

struct summary {
    size_t count; /* number of good runs; if it is 0, the other members mean nothing */
    double median_us;
    double p10_us;
    double p90_us;
};

/* The time of CLOCK_MONOTONIC. */
uint64_t clock_ns(void);

/* Nanoseconds since start, in the form that a run returns. */
int64_t elapsed_since(uint64_t start_ns);

/* Writes one summary per variant. Returns the number of failed runs; stops early after a few. */
size_t measure_in_turn(const struct variant *variants, size_t count, struct effort effort, struct summary *summaries);

#endif
