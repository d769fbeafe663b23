/* One run of the benchmark: its options, its output, and the groups of rows that it can print. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "measure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct bench {
    bool quick;      /* every row, few repetitions */
    FILE *csv;       /* the CSV output; NULL: none */
    FILE *plot;      /* points of pictures (plot.h); NULL: none are drawn */
    size_t failures; /* runs that did not end with the right answer */
    const char *group;
    bool is_part; /* continues the table of another process */
};

enum measure_unit {
    UNIT_TIME = 0, /* microseconds per call: less is better */
    UNIT_RATE = 1, /* calls per second: more is better; the ratio is that of the rates */
};

/* A row of the table: the library's time beside the limit that was measured in the same run. */
struct row {
    const char *what;
    const char *against;
    const struct summary *limit; /* NULL: there is no limit, and the target is in microseconds */
    const struct summary *library;
    /* For the ratio library / limit: the largest (time) or smallest (rate) allowed value; 0: no
     * target. */
    double target;
    enum measure_unit unit;
};

void print_heading(const struct bench *bench);
void print_row(const struct bench *bench, const struct row *row);
void print_skip(const struct bench *bench, const char *what, const char *why);

/* Calls measure_in_turn() and counts failures. full is the effort without --quick. */
void measure(struct bench *bench, const struct variant *variants, size_t count, struct effort full,
             struct summary *summaries);

/* True: this many bytes of memory are free, with a quarter to spare; or the system does not
 * tell. */
bool memory_fits(size_t bytes);

struct group {
    const char *name;
    const char *about;
    void (*run)(struct bench *bench);
    bool with_libraries; /* also run by the program that has many shared libraries */
};

/* The groups, in the order in which they run. */
extern const struct group call_group;
extern const struct group steps_group;
extern const struct group parent_group;
extern const struct group crash_group;
extern const struct group options_group;
extern const struct group threads_group;
extern const struct group result_group;
extern const struct group spawn_group;
extern const struct group server_group;
extern const struct group reuse_group;
extern const struct group server_threads_group;
extern const struct group map_group;
extern const struct group stall_group;
extern const struct group peers_group;

#endif
