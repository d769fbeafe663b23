/* Measures a trivial call from a small parent: the whole price of a call, and of each step of a
 * careful program. */
#include "bench.h"
#include "handmade.h"
#include "library_calls.h"

#include <sched.h>

static int64_t by_hand(void *context)
{
    return handmade_call(*(const unsigned *)context);
}

static const struct effort trivial_effort = {.warm_up = 20, .min_rounds = 200, .max_rounds = 4000, .seconds = 4};

static void print_call_rows(struct bench *bench, const char *what)
{
    unsigned none = STEPS_NONE;
    unsigned all = STEPS_ALL;
    const struct variant variants[] = {
        {"pipe + fork by hand", by_hand, &none},
        {"the same hygiene by hand", by_hand, &all},
        {"forkcall_run", library_call, NULL},
    };
    struct summary times[3];
    measure(bench, variants, 3, trivial_effort, times);
    print_row(bench, &(struct row){what, "pipe + fork + 8 bytes + waitpid", &times[0], &times[2], 1.25, UNIT_TIME});
    print_row(bench, &(struct row){what, "the same hygiene by hand", &times[1], &times[2], 1.05, UNIT_TIME});
}

/* Also measured on a single core, where two things do not matter: which core the kernel chooses
 * for the child, and the time to wake that core. */
static void run_call_rows(struct bench *bench)
{
    cpu_set_t all;
    cpu_set_t one;
    print_call_rows(bench, "trivial call");
    const int core = sched_getcpu();
    if (core < 0 || sched_getaffinity(0, sizeof all, &all) != 0) {
        print_skip(bench, "trivial call, on one core", "the cores that may be used are not known");
        return;
    }
    CPU_ZERO(&one);
    CPU_SET((size_t)core, &one);
    sched_setaffinity(0, sizeof one, &one);
    print_call_rows(bench, "trivial call, on one core");
    sched_setaffinity(0, sizeof all, &all);
}

const struct group call_group = {"call", "a trivial call from a small parent", run_call_rows, false};

/* Both sides of these rows are written by hand: they show what the library cannot do without. */
static void run_steps_rows(struct bench *bench)
{
    static const char *const names[] = {"by hand + pidfd, poll, waitid",
                                        "by hand + go byte",
                                        "by hand + go byte, process group",
                                        "by hand + go byte, lifeline",
                                        "by hand + signal mask",
                                        "by hand + handlers reset",
                                        "by hand + crash handlers and stack",
                                        "by hand + stdio purge",
                                        "by hand + memfd",
                                        "by hand + exit guard",
                                        "by hand + all of these"};
    static unsigned steps[] = {STEPS_NONE,
                               STEP_PIDFD,
                               STEP_GO_BYTE,
                               STEP_GO_BYTE | STEP_GROUP,
                               STEP_GO_BYTE | STEP_LIFELINE,
                               STEP_MASK,
                               STEP_RESET,
                               STEP_CRASH_REPORT,
                               STEP_PURGE,
                               STEP_REGION,
                               STEP_EXIT_GUARD,
                               STEPS_ALL};
    enum { COUNT = sizeof steps / sizeof *steps };
    struct variant variants[COUNT];
    struct summary times[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        variants[i] = (struct variant){i == 0 ? "pipe + fork by hand" : names[i - 1], by_hand, &steps[i]};
    measure(bench, variants, COUNT, trivial_effort, times);
    for (size_t i = 1; i < COUNT; i++)
        print_row(bench,
                  &(struct row){names[i - 1], "pipe + fork + 8 bytes + waitpid", &times[0], &times[i], 0, UNIT_TIME});
}

const struct group steps_group = {"steps", "what each step of hygiene costs by hand", run_steps_rows, false};
