#include "team.h"

#include <stdlib.h>

static void *work(void *context)
{
    struct team *const team = context;
    /* Threads of real programs use malloc, and some libcs then lock one arena more around every
     * fork. */
    void *volatile memory = malloc(1);
    free(memory);
    pthread_barrier_wait(&team->start_line);
    for (size_t i = 0; i < team->calls_each; i++)
        if (team->call(team->context) < 0)
            atomic_fetch_add(&team->failures, 1);
    return NULL;
}

int64_t run_team(void *context)
{
    struct team *const team = context;
    pthread_t threads[THREADS_MOST];
    size_t started = 0;
    atomic_store(&team->failures, 0);
    if (pthread_barrier_init(&team->start_line, NULL, (unsigned)team->threads + 1) != 0)
        return RUN_FAILED;
    while (started < team->threads && pthread_create(&threads[started], NULL, work, team) == 0)
        started++;
    if (started < team->threads)
        return RUN_FAILED; /* those that were started wait until the program ends */
    const uint64_t start = clock_ns();
    pthread_barrier_wait(&team->start_line);
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    const int64_t elapsed = elapsed_since(start);
    pthread_barrier_destroy(&team->start_line);
    return atomic_load(&team->failures) == 0 ? elapsed / (int64_t)(team->threads * team->calls_each) : RUN_FAILED;
}
