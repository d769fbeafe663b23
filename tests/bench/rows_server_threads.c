/* Measures calls per second from many threads at the same time, by SERVER. */
#include "bench.h"
#include "bench_threads.h"
#include "handmade_server.h"
#include "library_calls.h"
#include "plot.h"

#include <stdio.h>

enum { SPARES = 2, FEW = 0, MANY = 1, MOST = 2, COUNTS = 3 };

static void print_rows(struct bench *bench, const struct summary by_hand[COUNTS], const struct summary library[COUNTS],
                       const size_t counts[COUNTS])
{
    for (size_t i = 0; i < COUNTS; i++) {
        char what[96];
        plot_point(bench, PICTURE_RATE, "spares by hand", (double)counts[i], &by_hand[i]);
        plot_point(bench, PICTURE_RATE, "SERVER", (double)counts[i], &library[i]);
        snprintf(what, sizeof what, "SERVER, %zu thread%s, calls per second", counts[i], counts[i] == 1 ? "" : "s");
        print_row(bench,
                  &(struct row){what, "spares by hand, as many threads", &by_hand[i], &library[i], 0.85, UNIT_RATE});
        if (i == MOST)
            print_row(bench, &(struct row){what, "SERVER, 8 threads", &library[MANY], &library[i], 0.9, UNIT_RATE});
    }
}

static void run_server_threads_rows(struct bench *bench)
{
    static const size_t counts[COUNTS] = {[FEW] = 1, [MANY] = 8, [MOST] = THREADS_MOST};
    static struct forkcall_options by_server = {.method = FORKCALL_SERVER};
    const size_t calls = bench->quick ? THREADS_MOST : (size_t)8 * THREADS_MOST;
    const struct effort effort = {.warm_up = 1, .min_rounds = 7, .max_rounds = 50, .seconds = 6};
    struct bench_threads thread_sets[2 * COUNTS];
    struct variant variants[2 * COUNTS];
    struct summary times[2 * COUNTS];
    if (!handmade_spares_start(SPARES) || forkcall_server_start(NULL) != 0) {
        bench->failures++;
        print_skip(bench, "SERVER, threads", "no server");
        return;
    }
    for (size_t i = 0; i < COUNTS; i++) {
        thread_sets[i] =
            (struct bench_threads){.call = handmade_spares_call, .threads = counts[i], .calls_each = calls / counts[i]};
        thread_sets[COUNTS + i] = (struct bench_threads){
            .call = library_call, .context = &by_server, .threads = counts[i], .calls_each = calls / counts[i]};
        variants[i] = (struct variant){"threads: spares by hand", run_bench_threads, &thread_sets[i]};
        variants[COUNTS + i] = (struct variant){"threads: SERVER", run_bench_threads, &thread_sets[COUNTS + i]};
    }
    measure(bench, variants, sizeof variants / sizeof *variants, effort, times);
    print_rows(bench, times, times + COUNTS, counts);
    forkcall_server_stop();
}

const struct group server_threads_group = {"server-threads", "calls per second by SERVER from 1, 8 and 64 threads",
                                           run_server_threads_rows, false};
