/* Calls made by a team of threads. */
#ifndef BENCH_TEAM_H
#define BENCH_TEAM_H

#include "measure.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS_MOST = 64 };

/* How a call is made is a run of its own. */
struct team {
    run_fn *call;
    void *context;
    size_t threads; /* at most THREADS_MOST */
    size_t calls_each;
    pthread_barrier_t start_line;
    atomic_size_t failures;
};

/* A run: context is a struct team. Nanoseconds per call, from the moment when all threads are there
 * until the last one has made its last call. */
int64_t run_team(void *context);

#endif
