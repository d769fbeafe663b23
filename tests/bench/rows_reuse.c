/* Measures calls that share a child, one after another, beside a process by hand that answers one
 * request after another. */
#include "bench.h"
#include "bench_process.h"
#include "handmade_server.h"
#include "library_calls.h"
#include "spaced_calls.h"

#include <sched.h>
#include <stdio.h>

static struct forkcall_options reusing = {.method = FORKCALL_SERVER, .reuse_child = true};
static struct forkcall_options fresh = {.method = FORKCALL_SERVER};
static const struct forkcall_server_options server = {.spares = 2};
static const struct forkcall_server_options fixed_server = {.spares = 2, .fixed_identity = true};

enum run { BY_HAND, REUSED, FIXED, FRESH, BY_HAND_PAUSED, REUSED_PAUSED, RUN_COUNT };
enum { PAUSE_US = 500 };

static struct spaced_calls spaced_calls[RUN_COUNT] = {
    [BY_HAND] = {handmade_ping, NULL, 0, 64},
    [REUSED] = {library_call, &reusing, 0, 64},
    [FIXED] = {library_call, &reusing, 0, 64},
    [FRESH] = {library_call, &fresh, 0, 30},
    [BY_HAND_PAUSED] = {handmade_ping, NULL, PAUSE_US, 5},
    [REUSED_PAUSED] = {library_call, &reusing, PAUSE_US, 5},
};

static const char *const names[RUN_COUNT] = {
    [BY_HAND] = "reused worker by hand",
    [REUSED] = "reused child",
    [FIXED] = "reused child, fixed_identity",
    [FRESH] = "fresh child, back to back",
    [BY_HAND_PAUSED] = "reused worker by hand, pauses of 0.5 ms",
    [REUSED_PAUSED] = "reused child, pauses of 0.5 ms",
};

static void print_one(struct bench *bench, const char *cores, const char *how, const char *against,
                      const struct summary *limit, const struct summary *library, double target)
{
    char what[96];
    snprintf(what, sizeof what, "reused child%s, %s", cores, how);
    print_row(bench, &(struct row){what, against, limit, library, target, UNIT_TIME});
}

static void run_place(struct bench *bench, const char *cores, int core)
{
    const struct effort effort = {.warm_up = 2, .min_rounds = 20, .max_rounds = 300, .seconds = 3};
    const struct bench_process_setup setup[2] = {{.core = core, .server = &server},
                                                 {.core = core, .server = &fixed_server}};
    struct bench_process host[2] = {{.pid = 0}, {.pid = 0}};
    struct bench_process_job jobs[RUN_COUNT];
    struct variant variants[RUN_COUNT];
    struct summary times[RUN_COUNT];
    const double target = core >= 0 ? 6 : 1.5;
    if (!bench_process_open(&host[0], &setup[0]) || !bench_process_open(&host[1], &setup[1])) {
        bench->failures++;
        print_skip(bench, "reused child", "no process with a server of the library's");
    } else {
        for (int r = 0; r < RUN_COUNT; r++) {
            jobs[r] = (struct bench_process_job){&host[r == FIXED], run_spaced_calls, &spaced_calls[r]};
            variants[r] = (struct variant){names[r], run_in_bench_process, &jobs[r]};
        }
        measure(bench, variants, RUN_COUNT, effort, times);
        print_one(bench, cores, "one after another", names[BY_HAND], &times[BY_HAND], &times[REUSED], target);
        print_one(bench, cores, "fixed_identity", names[BY_HAND], &times[BY_HAND], &times[FIXED], target);
        print_one(bench, cores, "0.5 ms pauses", names[BY_HAND], &times[BY_HAND_PAUSED], &times[REUSED_PAUSED], 0);
        print_one(bench, cores, "one after another", names[FRESH], &times[FRESH], &times[REUSED], 0);
    }
    bench_process_close(&host[0]);
    bench_process_close(&host[1]);
}

static void run_reuse_rows(struct bench *bench)
{
    const int core = sched_getcpu();
    if (core >= 0)
        run_place(bench, ", one core", core);
    else
        print_skip(bench, "reused child, one core", "the core is not known");
    run_place(bench, "", -1);
}

const struct group reuse_group = {"reuse", "calls that share a child, one after another", run_reuse_rows, false};
