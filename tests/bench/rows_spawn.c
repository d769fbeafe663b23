/* Measures what it costs to re-execute this program: SPAWN without a spare, a server's first call,
 * and forkcall_init() itself. */
#include "bench.h"
#include "library_calls.h"
#include "resident_memory.h"
#include "self_spawn.h"

#include <stdio.h>
#include <sys/mman.h>

static struct forkcall_options by_spawn = {.method = FORKCALL_SPAWN};
static struct forkcall_options by_server = {.method = FORKCALL_SERVER};

static int64_t call_cold(void *context)
{
    return forkcall_server_stop() == 0 ? library_call(context) : RUN_FAILED;
}

static void print_spawn_rows(struct bench *bench, size_t size)
{
    const struct variant variants[] = {
        {"posix_spawn by hand", self_spawn_call, NULL},
        {"SPAWN", library_call, &by_spawn},
        {"SERVER, first call", call_cold, &by_server},
    };
    const struct effort effort = {.warm_up = 3, .min_rounds = 30, .max_rounds = 1000, .seconds = 3};
    struct summary times[3];
    char what[96];
    measure(bench, variants, 3, effort, times);
    snprintf(what, sizeof what, "SPAWN, no spare, parent + %zu MiB", size / MIB);
    print_row(bench, &(struct row){what, "posix_spawn + pipe + waitpid", &times[0], &times[1], 1.08, UNIT_TIME});
    snprintf(what, sizeof what, "SERVER, first call, parent + %zu MiB", size / MIB);
    print_row(bench, &(struct row){what, "posix_spawn + pipe + waitpid", &times[0], &times[2], 0, UNIT_TIME});
}

static void print_init_row(struct bench *bench)
{
    const struct variant variant = {"forkcall_init()", self_init_time, NULL};
    const struct effort effort = {.warm_up = 3, .min_rounds = 50, .max_rounds = 500, .seconds = 1};
    struct summary time;
    measure(bench, &variant, 1, effort, &time);
    print_row(bench, &(struct row){"forkcall_init() in a normal start", "-", NULL, &time, 20, UNIT_TIME});
}

static void run_spawn_rows(struct bench *bench)
{
    static const size_t sizes[] = {0, 64 * MIB, 1024 * MIB};
    print_init_row(bench);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        void *const resident = sizes[i] > 0 && memory_fits(sizes[i]) ? make_resident_memory(sizes[i]) : NULL;
        if (sizes[i] > 0 && resident == NULL) {
            print_skip(bench, "SPAWN, no spare, large parent", "not enough free memory");
            continue;
        }
        print_spawn_rows(bench, sizes[i]);
        if (resident != NULL)
            munmap(resident, sizes[i]);
    }
    forkcall_server_stop();
}

const struct group spawn_group = {"spawn", "fresh copies by exec, from parents of 0, 64 and 1024 MiB", run_spawn_rows,
                                  true};
