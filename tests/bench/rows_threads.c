/* Measures calls per second from many threads at the same time, by FORK. */
#include "bench.h"
#include "bench_threads.h"
#include "handmade.h"
#include "library_calls.h"
#include "plot.h"

static int64_t by_hand(void *context)
{
    return handmade_call(*(const unsigned *)context);
}

static void run_threads_rows(struct bench *bench)
{
    static const size_t counts[] = {1, 8, THREADS_MOST};
    static const char *const lines[] = {"pipe + fork by hand", "the same hygiene by hand", "FORK"};
    unsigned none = STEPS_NONE;
    unsigned all = STEPS_ALL;
    struct forkcall_options unsafe = {.method = FORKCALL_FORK, .allow_unsafe_fork = true};
    const size_t calls = bench->quick ? THREADS_MOST : (size_t)8 * THREADS_MOST;
    const struct effort effort = {.warm_up = 1, .min_rounds = 7, .max_rounds = 50, .seconds = 5};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        const size_t threads = counts[i];
        struct bench_threads thread_sets[] = {
            {.call = by_hand, .context = &none, .threads = threads, .calls_each = calls / threads},
            {.call = by_hand, .context = &all, .threads = threads, .calls_each = calls / threads},
            {.call = library_call, .context = &unsafe, .threads = threads, .calls_each = calls / threads},
        };
        const struct variant variants[] = {
            {"threads: pipe + fork by hand", run_bench_threads, &thread_sets[0]},
            {"threads: the same hygiene by hand", run_bench_threads, &thread_sets[1]},
            {"threads: forkcall_run", run_bench_threads, &thread_sets[2]},
        };
        struct summary times[3];
        char what[64];
        measure(bench, variants, 3, effort, times);
        for (size_t k = 0; k < 3; k++)
            plot_point(bench, PICTURE_RATE, lines[k], (double)threads, &times[k]);
        snprintf(what, sizeof what, "FORK, %zu thread%s, calls per second", threads, threads == 1 ? "" : "s");
        print_row(bench, &(struct row){what, "pipe + fork + 8 bytes + waitpid", &times[0], &times[2],
                                       threads >= 8 ? 0.95 : 0, UNIT_RATE});
        print_row(bench, &(struct row){what, "the same hygiene by hand", &times[1], &times[2], threads >= 8 ? 0.97 : 0,
                                       UNIT_RATE});
    }
}

const struct group threads_group = {"threads", "calls per second by FORK from 1, 8 and 64 threads", run_threads_rows,
                                    false};
