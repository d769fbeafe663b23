/* Measures calls to waiting children of the library's server, whose spares are forked or
 * exec'ed. */
#include "bench.h"
#include "bench_process.h"
#include "handmade.h"
#include "handmade_server.h"
#include "library_calls.h"
#include "plot.h"
#include "resident_memory.h"
#include "spaced_calls.h"

#include <sched.h>
#include <stdio.h>

static int64_t bare_fork(void *unused)
{
    (void)unused;
    return handmade_call(STEPS_NONE);
}

static struct forkcall_options by_server = {.method = FORKCALL_SERVER};
static const struct forkcall_server_options forked_spares = {.spares = 2};
static const struct forkcall_server_options fixed_spares = {.spares = 2, .fixed_identity = true};
static const struct forkcall_server_options execed_spares = {.spares = 2, .exec_spares = true};

/* The processes that measure. */
struct hosts {
    struct bench_process small;  /* a host of 0 MiB */
    struct bench_process large;  /* a host of the measured size; not open if the size is 0 MiB */
    struct bench_process copies; /* of the same size, with exec'ed spares */
    struct bench_process fixed;  /* a host of 0 MiB that has promised never to change */
};

/* The runs that are measured in turn. A forked spare is ready 0.5 ms after a call; an exec'ed one
 * needs longer. */
enum run {
    PING_SHORT,
    SPARES_SHORT,
    BARE_SHORT,
    SERVER_SHORT,
    FIXED_SHORT, /* the server of a host that has promised never to change */
    SMALL_SHORT, /* the server of a small host */
    PING_LONG,
    SPARES_LONG,
    SERVER_LONG,
    SERVER_PATIENT,
    COPIES_PATIENT,
    BARE_FAST, /* without pauses */
    SPARES_FAST,
    SERVER_FAST,
    FORK,
    RUN_COUNT
};

enum { SHORT_US = 500, LONG_US = 2000, PATIENT_US = 25000 };

static struct spaced_calls spaced_calls[RUN_COUNT] = {
    [PING_SHORT] = {handmade_ping, NULL, SHORT_US, 5},
    [SPARES_SHORT] = {handmade_spares_call, NULL, SHORT_US, 5},
    [BARE_SHORT] = {bare_fork, NULL, SHORT_US, 5},
    [SERVER_SHORT] = {library_call, &by_server, SHORT_US, 5},
    [FIXED_SHORT] = {library_call, &by_server, SHORT_US, 5},
    [SMALL_SHORT] = {library_call, &by_server, SHORT_US, 5},
    [PING_LONG] = {handmade_ping, NULL, LONG_US, 5},
    [SPARES_LONG] = {handmade_spares_call, NULL, LONG_US, 5},
    [SERVER_LONG] = {library_call, &by_server, LONG_US, 5},
    [SERVER_PATIENT] = {library_call, &by_server, PATIENT_US, 2},
    [COPIES_PATIENT] = {library_call, &by_server, PATIENT_US, 2},
    [BARE_FAST] = {bare_fork, NULL, 0, 30},
    [SPARES_FAST] = {handmade_spares_call, NULL, 0, 30},
    [SERVER_FAST] = {library_call, &by_server, 0, 30},
    [FORK] = {library_call, NULL, SHORT_US, 1},
};

static const char *const names[RUN_COUNT] = {
    [PING_SHORT] = "ping-pong, pauses of 0.5 ms",
    [SPARES_SHORT] = "spares by hand, pauses of 0.5 ms",
    [BARE_SHORT] = "pipe + fork by hand",
    [SERVER_SHORT] = "SERVER, pauses of 0.5 ms",
    [FIXED_SHORT] = "SERVER, fixed_identity",
    [SMALL_SHORT] = "SERVER of a small host",
    [PING_LONG] = "ping-pong, pauses of 2 ms",
    [SPARES_LONG] = "spares by hand, 2 ms",
    [SERVER_LONG] = "SERVER, pauses of 2 ms",
    [SERVER_PATIENT] = "SERVER, 25 ms",
    [COPIES_PATIENT] = "SERVER, exec'ed spares, 25 ms",
    [BARE_FAST] = "fork by hand, back to back",
    [SPARES_FAST] = "spares by hand, back to back",
    [SERVER_FAST] = "SERVER, back to back",
    [FORK] = "FORK",
};

/* The cores, and the size of the host. */
struct place {
    const char *cores; /* named in the rows */
    int core;          /* -1: any */
    size_t size;
};

static void print_one(struct bench *bench, const struct place *place, const char *how, const char *against,
                      const struct summary *limit, const struct summary *library, double target, enum measure_unit unit)
{
    char what[96];
    snprintf(what, sizeof what, "SERVER%s, %zu MiB, %s", place->cores, place->size / MIB, how);
    print_row(bench, &(struct row){what, against, limit, library, target, unit});
}

static void print_one_skip(struct bench *bench, const struct place *place, const char *why)
{
    char what[96];
    snprintf(what, sizeof what, "SERVER%s, %zu MiB", place->cores, place->size / MIB);
    print_skip(bench, what, why);
}

/* The targets apply to a single core: across cores, most of the measured time is the time to wake
 * the other core. */
static void print_ready_rows(struct bench *bench, const struct place *place, const struct summary *times)
{
    const bool pinned = place->core >= 0;
    print_one(bench, place, "0.5 ms pauses", "pipe ping-pong of two processes", &times[PING_SHORT],
              &times[SERVER_SHORT], pinned ? 4.5 : 0, UNIT_TIME);
    print_one(bench, place, "0.5 ms pauses", "spares by hand", &times[SPARES_SHORT], &times[SERVER_SHORT],
              pinned ? 1.6 : 0, UNIT_TIME);
    if (place->size == 0)
        print_one(bench, place, "fixed_identity", "spares by hand", &times[SPARES_SHORT], &times[FIXED_SHORT],
                  pinned ? 1.2 : 0, UNIT_TIME);
    print_one(bench, place, "0.5 ms pauses", "pipe + fork by hand, 0 MiB", &times[BARE_SHORT], &times[SERVER_SHORT],
              pinned ? 0.30 : 0, UNIT_TIME);
    print_one(bench, place, "2 ms pauses", "pipe ping-pong of two processes", &times[PING_LONG], &times[SERVER_LONG],
              pinned ? 4.5 : 0, UNIT_TIME);
    print_one(bench, place, "2 ms pauses", "spares by hand", &times[SPARES_LONG], &times[SERVER_LONG], 0, UNIT_TIME);
    print_one(bench, place, "exec'ed spares", "SERVER, forked spares", &times[SERVER_PATIENT], &times[COPIES_PATIENT],
              pinned ? 1.1 : 0, UNIT_TIME);
}

static void print_large_rows(struct bench *bench, const struct place *place, const struct summary *times)
{
    print_one(bench, place, "0.5 ms pauses", "SERVER, 0 MiB", &times[SMALL_SHORT], &times[SERVER_SHORT], 1.15,
              UNIT_TIME);
    if (place->size >= 1024 * MIB)
        print_one(bench, place, "calls per second", "FORK, the same parent", &times[FORK], &times[SERVER_SHORT], 300,
                  UNIT_RATE);
}

static void print_fast_rows(struct bench *bench, const struct place *place, const struct summary *times)
{
    print_one(bench, place, "back to back", "pipe + fork by hand", &times[BARE_FAST], &times[SERVER_FAST],
              place->core >= 0 ? 1.4 : 1.2, UNIT_TIME);
    print_one(bench, place, "back to back", "spares by hand", &times[SPARES_FAST], &times[SERVER_FAST], 0, UNIT_TIME);
}

/* Chooses the runs for a host of this size, and the process for each. */
static size_t plan(const struct hosts *hosts, size_t size, struct bench_process_job jobs[RUN_COUNT],
                   struct variant variants[RUN_COUNT], enum run order[RUN_COUNT])
{
    size_t count = 0;
    for (int r = 0; r < RUN_COUNT; r++) {
        const bool is_fast = r == BARE_FAST || r == SPARES_FAST || r == SERVER_FAST;
        const struct bench_process *at = size > 0 ? &hosts->large : &hosts->small;
        if ((is_fast && size > 0) || (r == SMALL_SHORT && size == 0) || (r == FIXED_SHORT && size > 0) ||
            (r == FORK && size < 1024 * MIB))
            continue;
        if (r == COPIES_PATIENT)
            at = &hosts->copies;
        if (r == FIXED_SHORT)
            at = &hosts->fixed;
        if (r == BARE_SHORT || r == SMALL_SHORT)
            at = &hosts->small;
        jobs[r] = (struct bench_process_job){at, run_spaced_calls, &spaced_calls[r]};
        variants[count] = (struct variant){names[r], run_in_bench_process, &jobs[r]};
        order[count++] = (enum run)r;
    }
    return count;
}

static void measure_hosts(struct bench *bench, const struct hosts *hosts, const struct place *place)
{
    const struct effort effort = {.warm_up = 2, .min_rounds = 20, .max_rounds = 300, .seconds = 5};
    struct bench_process_job jobs[RUN_COUNT];
    struct variant variants[RUN_COUNT];
    enum run order[RUN_COUNT];
    struct summary in_order[RUN_COUNT];
    struct summary times[RUN_COUNT] = {{.count = 0}};
    const size_t count = plan(hosts, place->size, jobs, variants, order);
    measure(bench, variants, count, effort, in_order);
    for (size_t i = 0; i < count; i++)
        times[order[i]] = in_order[i];
    if (place->core < 0)
        plot_point(bench, PICTURE_MEMORY, "SERVER, a child is ready", (double)place->size / MIB, &times[SERVER_SHORT]);
    print_ready_rows(bench, place, times);
    if (place->size > 0)
        print_large_rows(bench, place, times);
    else
        print_fast_rows(bench, place, times);
}

static void run_size(struct bench *bench, struct hosts *hosts, const struct place *place)
{
    const struct bench_process_setup large = {.resident = place->size, .core = place->core, .server = &forked_spares};
    const struct bench_process_setup copies = {.resident = place->size, .core = place->core, .server = &execed_spares};
    if (!memory_fits(2 * place->size)) {
        print_one_skip(bench, place, "not enough free memory");
        return;
    }
    if ((place->size == 0 || bench_process_open(&hosts->large, &large)) &&
        bench_process_open(&hosts->copies, &copies)) {
        measure_hosts(bench, hosts, place);
    } else {
        bench->failures++;
        print_one_skip(bench, place, "no process with a server of the library's");
    }
    bench_process_close(&hosts->large);
    bench_process_close(&hosts->copies);
}

static void run_place(struct bench *bench, const char *cores, int core)
{
    static const size_t sizes[] = {0, 64 * MIB, 1024 * MIB};
    const struct bench_process_setup small = {.core = core, .server = &forked_spares};
    const struct bench_process_setup fixed = {.core = core, .server = &fixed_spares};
    struct hosts hosts = {.small = {.pid = 0}};
    if (!bench_process_open(&hosts.small, &small) || !bench_process_open(&hosts.fixed, &fixed)) {
        bench_process_close(&hosts.small);
        bench->failures++;
        print_skip(bench, "SERVER", "no process with a server of the library's");
        return;
    }
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        run_size(bench, &hosts, &(struct place){cores, core, sizes[i]});
    bench_process_close(&hosts.small);
    bench_process_close(&hosts.fixed);
}

static void run_server_rows(struct bench *bench)
{
    const int core = sched_getcpu();
    if (core >= 0)
        run_place(bench, ", one core", core);
    else
        print_skip(bench, "SERVER, one core", "the core is not known");
    run_place(bench, "", -1);
}

const struct group server_group = {"server", "calls to children that wait, of parents of 0, 64 and 1024 MiB",
                                   run_server_rows, true};
