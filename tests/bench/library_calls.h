/* The library's calls in the comparisons. */
#ifndef BENCH_LIBRARY_CALLS_H
#define BENCH_LIBRARY_CALLS_H

#include <forkcall.h>

#include <stdbool.h>
#include <stdint.h>

/* A run (measure.h): the library computes an 8-byte answer in a child. context is a struct
 * forkcall_options, or NULL for by_fork. */
int64_t library_call(void *context);

/* FORK with otherwise default options: after forkcall_init() the default method is another. */
extern const struct forkcall_options by_fork;

/* True: the outcome is the expected one. Else prints what went wrong. */
bool ended_as(const struct forkcall_report *report, enum forkcall_status expected);

#endif
