/* Calls per second from many threads at once. */
#include "bench.h"
#include "handmade.h"
#include "library.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { THREADS_MOST = 32 };

/* Calls made by a team of threads; how a call is made is a run of its own. */
struct team {
    run_fn *call;
    void *context;
    size_t threads;
    size_t calls_each;
    pthread_barrier_t start_line;
    atomic_size_t failures;
};

static void *work(void *context)
{
    struct team *const team = context;
    /* Threads of real programs use malloc, and some libcs then lock one arena more around every fork. */
    void *volatile memory = malloc(1);
    free(memory);
    pthread_barrier_wait(&team->start_line);
    for (size_t i = 0; i < team->calls_each; i++)
        if (team->call(team->context) < 0)
            atomic_fetch_add(&team->failures, 1);
    return NULL;
}

/* Nanoseconds per call, from the moment when all threads are there until the last one has made its last call. */
static int64_t run_team(void *context)
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
        return RUN_FAILED; /* those that were started wait for ever: harmless, and the program ends with an error */
    const uint64_t start = clock_ns();
    pthread_barrier_wait(&team->start_line);
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    const int64_t elapsed = elapsed_since(start);
    pthread_barrier_destroy(&team->start_line);
    return atomic_load(&team->failures) == 0 ? elapsed / (int64_t)(team->threads * team->calls_each) : RUN_FAILED;
}

static int64_t by_hand(void *context)
{
    return handmade_call(*(const unsigned *)context);
}

static void run_threads_rows(struct bench *bench)
{
    static const size_t counts[] = {1, 2, 8, THREADS_MOST};
    unsigned none = STEPS_NONE;
    unsigned all = STEPS_ALL;
    struct forkcall_options unsafe = {.allow_unsafe_fork = true};
    const size_t calls = bench->quick ? THREADS_MOST : (size_t)16 * THREADS_MOST;
    const struct effort effort = {.warm_up = 1, .min_rounds = 7, .max_rounds = 50, .seconds = 5};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        const size_t threads = counts[i];
        struct team teams[] = {
            {.call = by_hand, .context = &none, .threads = threads, .calls_each = calls / threads},
            {.call = by_hand, .context = &all, .threads = threads, .calls_each = calls / threads},
            {.call = library_call, .context = &unsafe, .threads = threads, .calls_each = calls / threads},
        };
        const struct variant variants[] = {
            {"threads: pipe + fork by hand", run_team, &teams[0]},
            {"threads: the same hygiene by hand", run_team, &teams[1]},
            {"threads: forkcall_run", run_team, &teams[2]},
        };
        struct summary times[3];
        char what[64];
        measure(bench, variants, 3, effort, times);
        snprintf(what, sizeof what, "%zu thread%s, calls per second", threads, threads == 1 ? "" : "s");
        print_row(bench, &(struct row){what, "pipe + fork + 8 bytes + waitpid", &times[0], &times[2],
                                       threads >= 8 ? 0.95 : 0, UNIT_RATE});
        print_row(bench, &(struct row){what, "the same hygiene by hand", &times[1], &times[2], 0, UNIT_RATE});
    }
}

const struct group threads_group = {"threads", "calls per second from 1, 2, 8 and 32 threads", run_threads_rows};
