/* Measures calls that several threads make at the same time. */
#include "bench_threads.h"

#include <stdlib.h>

static void *work(void *context)
{
    struct bench_threads *const group = context;
    /* Threads of real programs use malloc(), after which some C libraries lock one more arena
     * around every fork. */
    void *volatile memory = malloc(1);
    free(memory);
    pthread_barrier_wait(&group->start_line);
    for (size_t i = 0; i < group->calls_each; i++)
        if (group->call(group->context) < 0)
            atomic_fetch_add(&group->failures, 1);
    return NULL;
}

int64_t run_bench_threads(void *context)
{
    struct bench_threads *const group = context;
    pthread_t threads[THREADS_MOST];
    size_t started = 0;
    atomic_store(&group->failures, 0);
    if (pthread_barrier_init(&group->start_line, NULL, (unsigned)group->threads + 1) != 0)
        return RUN_FAILED;
    while (started < group->threads && pthread_create(&threads[started], NULL, work, group) == 0)
        started++;
    if (started < group->threads)
        return RUN_FAILED; /* the started threads wait until the program ends */
    const uint64_t start = clock_ns();
    pthread_barrier_wait(&group->start_line);
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    const int64_t elapsed = elapsed_since(start);
    pthread_barrier_destroy(&group->start_line);
    return atomic_load(&group->failures) == 0 ? elapsed / (int64_t)(group->threads * group->calls_each) : RUN_FAILED;
}
