/* Measures a trivial call from parents of several sizes: the kernel copies page tables in fork and
 * drops them in exit. */
#include "bench.h"
#include "handmade.h"
#include "library_calls.h"
#include "plot.h"
#include "resident_memory.h"

#include <stdio.h>
#include <sys/mman.h>

static int64_t bare(void *context)
{
    (void)context;
    return handmade_call(STEPS_NONE);
}

static int64_t with_hygiene(void *context)
{
    (void)context;
    return handmade_call(STEPS_ALL);
}

static void print_parent_rows(struct bench *bench, size_t size, struct effort effort, struct summary *library,
                              double target)
{
    char what[64];
    const struct variant variants[] = {
        {"pipe + fork by hand", bare, NULL},
        {"the same hygiene by hand", with_hygiene, NULL},
        {"forkcall_run", library_call, NULL},
    };
    struct summary times[3];
    measure(bench, variants, 3, effort, times);
    snprintf(what, sizeof what, "parent + %zu MiB", size / MIB);
    for (size_t i = 0; i < 3; i++)
        plot_point(bench, PICTURE_MEMORY, i < 2 ? variants[i].name : "FORK", (double)size / MIB, &times[i]);
    print_row(bench, &(struct row){what, "pipe + fork + 8 bytes + waitpid", &times[0], &times[2], target, UNIT_TIME});
    print_row(bench, &(struct row){what, "the same hygiene by hand", &times[1], &times[2], 0, UNIT_TIME});
    *library = times[2];
}

/* Measures the same parent with its memory kept out of the child. The call should cost as much as
 * from a small parent, which was measured just before, because a process cannot be small and large
 * in turn. */
static void print_excluded_row(struct bench *bench, void *resident, size_t size, const char *what,
                               const struct summary *small_parent)
{
    const struct variant variant = {"forkcall_run", library_call, NULL};
    const struct effort effort = {.warm_up = 5, .min_rounds = 100, .max_rounds = 1000, .seconds = 1};
    struct summary time;
    if (madvise(resident, size, MADV_DONTFORK) != 0) {
        print_skip(bench, what, "no MADV_DONTFORK");
        return;
    }
    measure(bench, &variant, 1, effort, &time);
    print_row(bench, &(struct row){what, "forkcall_run, parent + 0 MiB", small_parent, &time, 1.2, UNIT_TIME});
}

static void run_parent_rows(struct bench *bench)
{
    static const struct {
        size_t size;
        double target;
        struct effort effort;
    } parents[] = {
        {0, 0, {.warm_up = 10, .min_rounds = 100, .max_rounds = 4000, .seconds = 2}},
        {64 * MIB, 0, {.warm_up = 2, .min_rounds = 20, .max_rounds = 1000, .seconds = 4}},
        {1024 * MIB, 1.05, {.warm_up = 1, .min_rounds = 11, .max_rounds = 200, .seconds = 6}},
    };
    struct summary small = {.count = 0};
    for (size_t i = 0; i < sizeof parents / sizeof *parents; i++) {
        const size_t size = parents[i].size;
        char what[64];
        snprintf(what, sizeof what, "parent + %zu MiB", size / MIB);
        void *const resident = size > 0 && memory_fits(size) ? make_resident_memory(size) : NULL;
        if (size > 0 && resident == NULL) {
            print_skip(bench, what, "not enough free memory");
            continue;
        }
        struct summary library;
        print_parent_rows(bench, size, parents[i].effort, &library, parents[i].target);
        if (resident == NULL) {
            small = library;
            continue;
        }
        snprintf(what, sizeof what, "parent + %zu MiB, MADV_DONTFORK", size / MIB);
        print_excluded_row(bench, resident, size, what, &small);
        munmap(resident, size);
    }
}

const struct group parent_group = {"parent", "parents of 0, 64 and 1024 MiB of touched 4 KiB pages", run_parent_rows,
                                   false};
