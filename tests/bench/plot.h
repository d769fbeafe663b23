/* Pictures of what was measured, drawn by gnuplot. */
#ifndef BENCH_PLOT_H
#define BENCH_PLOT_H

#include "bench.h"

enum picture {
    PICTURE_MEMORY, /* the time of a call over the caller's memory in MiB */
    PICTURE_RESULT, /* the time of a call over the size of the result in KiB */
    PICTURE_RATE,   /* calls per second over the number of threads */
    PICTURE_COUNT
};

/* Begins to collect points, if there is a place for the pictures. False: it cannot be written to,
 * and a message says why. */
bool plot_begin(struct bench *bench, const char *directory);

/* Notes the time of a call as a point of a line of that name. Does nothing without --plot. */
void plot_point(const struct bench *bench, enum picture picture, const char *line, double x,
                const struct summary *time);

/* Draws the pictures that have points. False: one could not be drawn, and a message says why. */
bool plot_draw(struct bench *bench, const char *directory);

#endif
