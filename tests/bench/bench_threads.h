/* Measures calls that several threads make at the same time. */
#ifndef BENCH_THREADS_H
#define BENCH_THREADS_H

#include "measure.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS_MOST = 64 };

/* The call itself is a run (measure.h). */
struct bench_threads {
    run_fn *call;
    void *context;
    size_t threads; /* at most THREADS_MOST */
    size_t calls_each;
    pthread_barrier_t start_line;
    atomic_size_t failures;
};

/* A run: context is a struct bench_threads. Returns the nanoseconds per call, counted from the
 * moment when all threads are ready until the last one has made its last call. */
int64_t run_bench_threads(void *context);

#endif
