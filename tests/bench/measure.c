/* Times several ways to do the same thing in turn. */
#include "measure.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { FAILURES_TO_STOP = 3 };

uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

int64_t elapsed_since(uint64_t start_ns)
{
    return (int64_t)(clock_ns() - start_ns);
}

static int compare_times(const void *left, const void *right)
{
    const int64_t a = *(const int64_t *)left;
    const int64_t b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

/* The value below which the given share of the sorted times lies, interpolated between
 * neighbours. */
static double quantile_us(const int64_t *sorted, size_t count, double share)
{
    const double place = share * (double)(count - 1);
    const size_t below = (size_t)floor(place);
    const size_t above = below + 1 < count ? below + 1 : below;
    const double part = place - (double)below;
    return ((double)sorted[below] * (1 - part) + (double)sorted[above] * part) / 1000;
}

static struct summary summarise(int64_t *times, size_t count)
{
    struct summary summary = {.count = count};
    if (count == 0)
        return summary;
    qsort(times, count, sizeof *times, compare_times);
    summary.median_us = quantile_us(times, count, 0.5);
    summary.p10_us = quantile_us(times, count, 0.1);
    summary.p90_us = quantile_us(times, count, 0.9);
    return summary;
}

/* Draws from a fixed sequence (xorshift64), so that every run of the program has the same order of
 * turns. */
static size_t next_below(uint64_t *state, size_t limit)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (size_t)(*state % limit);
}

static void shuffle(size_t *order, size_t count, uint64_t *state)
{
    for (size_t i = count; i > 1; i--) {
        const size_t other = next_below(state, i);
        const size_t kept = order[i - 1];
        order[i - 1] = order[other];
        order[other] = kept;
    }
}

/* Runs each variant once. times is a matrix with a row of max_rounds for each variant; NULL: the
 * round is not counted. */
static size_t run_round(const struct variant *variants, size_t count, const size_t *order, size_t max_rounds,
                        int64_t *times, struct summary *summaries)
{
    size_t failures = 0;
    for (size_t i = 0; i < count; i++) {
        const size_t v = order[i];
        const int64_t time = variants[v].run(variants[v].context);
        if (time < 0) {
            fprintf(stderr, "forkcall-bench: \"%s\" did not end with the right answer\n", variants[v].name);
            failures++;
        } else if (times != NULL) {
            times[v * max_rounds + summaries[v].count++] = time;
        }
    }
    return failures;
}

/* Runs all rounds. times: as for run_round(). */
static size_t run_rounds(const struct variant *variants, size_t count, struct effort effort, int64_t *times,
                         size_t *order, struct summary *summaries)
{
    uint64_t random = 88172645463325252U;
    size_t failures = 0;
    uint64_t start = clock_ns();
    for (size_t v = 0; v < count; v++)
        order[v] = v;
    for (size_t round = 0; failures < FAILURES_TO_STOP; round++) {
        const bool counts = round >= effort.warm_up;
        const size_t done = counts ? round - effort.warm_up : 0;
        if (counts && done == 0)
            start = clock_ns();
        if (done == effort.max_rounds ||
            (done >= effort.min_rounds && (double)elapsed_since(start) > effort.seconds * 1e9))
            break;
        shuffle(order, count, &random);
        failures += run_round(variants, count, order, effort.max_rounds, counts ? times : NULL, summaries);
    }
    return failures;
}

size_t measure_in_turn(const struct variant *variants, size_t count, struct effort effort, struct summary *summaries)
{
    for (size_t v = 0; v < count; v++)
        summaries[v] = (struct summary){.count = 0};
    if (count == 0 || effort.max_rounds == 0)
        return 0;
    int64_t *times = calloc(count * effort.max_rounds, sizeof *times);
    size_t *order = calloc(count, sizeof *order);
    size_t failures = 1;
    if (times != NULL && order != NULL)
        failures = run_rounds(variants, count, effort, times, order, summaries);
    else
        fprintf(stderr, "forkcall-bench: no memory for the times\n");
    for (size_t v = 0; v < count && times != NULL; v++)
        summaries[v] = summarise(times + v * effort.max_rounds, summaries[v].count);
    free(order);
    free(times);
    return failures;
}
