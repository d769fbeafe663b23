/* One run of the program: its options, its output, and the groups of rows that it can print. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "measure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct bench {
    bool quick;      /* every row, few repetitions */
    FILE *csv;       /* NULL: none */
    size_t failures; /* runs that did not end with the right answer */
    const char *group;
    bool is_part; /* of the table that another process has begun */
};

enum measure_unit {
    UNIT_TIME = 0, /* microseconds per call: less is better */
    UNIT_RATE = 1, /* calls per second: more is better; the ratio is that of the rates */
};

/* A line of the table: how the library does beside the limit that was measured in the same run. */
struct row {
    const char *what;
    const char *against;
    const struct summary *limit; /* NULL: there is none, and the target is in microseconds */
    const struct summary *library;
    /* Of the ratio library / limit: at most (time) or at least (rate); 0: none set. */
    double target;
    enum measure_unit unit;
};

void print_heading(const struct bench *bench);
void print_row(const struct bench *bench, const struct row *row);
void print_skip(const struct bench *bench, const char *what, const char *why);

/* measure_in_turn, with failures counted. full is the effort without --quick. */
void measure(struct bench *bench, const struct variant *variants, size_t count, struct effort full,
             struct summary *summaries);

/* Are there so many bytes of memory free (with a quarter to spare)? Where the system does not tell:
 * yes. */
bool memory_fits(size_t bytes);

struct group {
    const char *name;
    const char *about;
    void (*run)(struct bench *bench);
    bool with_libraries; /* run once more by the program that has many shared libraries */
};

/* In the order in which they run. */
extern const struct group call_group;
extern const struct group steps_group;
extern const struct group parent_group;
extern const struct group crash_group;
extern const struct group options_group;
extern const struct group threads_group;
extern const struct group result_group;
extern const struct group spawn_group;
extern const struct group server_group;
extern const struct group server_threads_group;
extern const struct group stall_group;

#endif
