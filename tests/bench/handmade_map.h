/* Many items over a few processes, written by hand, and by Python's Pool. Each item is a number of
 * 8 bytes, and its result the square of it. A run returns the nanoseconds per item. */
#ifndef BENCH_HANDMADE_MAP_H
#define BENCH_HANDMADE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Starts two workers for each of the runs below, which serve any number of runs. */
bool handmade_workers_start(void);
void handmade_workers_stop(void);
/* A run: context is a size_t, the number of items, of which each worker has 8 at a time, each in a
 * message of its own. */
int64_t handmade_workers_map(void *items);
/* The same, but a message has all items that there are to send. */
int64_t handmade_batches_map(void *items);

/* A run: a fork for each of so many items, two at a time. */
int64_t handmade_forks_map(void *items);

/* Starts python3 with a pool of two processes. False: there is none. */
bool python_pool_start(void);
void python_pool_stop(void);
/* A run: Pool.map of so many items, in chunks as the pool chooses. */
int64_t python_pool_map(void *items);

#endif
