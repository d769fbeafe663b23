/* Measures large answers: every variant fills every byte, differently in each run, and checks
 * every byte. */
#include "bench.h"
#include "handmade.h"
#include "library_calls.h"
#include "plot.h"
#include "workload.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

/* What the runs of one size share. */
struct exchange {
    size_t size;
    /* This process's own memory, kept out of children, which do not need a copy of it. */
    void *warm;
    /* Kept through all runs of its variant: the library may reuse the buffer's memory. */
    struct forkcall_buf kept;
    struct forkcall_buf shared;
    void *kept_by_hand;
};

struct question {
    uint64_t seed;
    uint64_t size;
};

static int fill_in_place(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct question *const question = args;
    (void)args_size;
    void *const place = forkcall_buf_extend(result, question->size);
    if (place == NULL)
        return forkcall_fail(1, "no room for %llu bytes", (unsigned long long)question->size);
    fill_answer(place, question->size, question->seed);
    return 0;
}

static int fill_own_memory(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct question *const question = args;
    (void)args_size;
    void *const own = malloc(question->size);
    if (own == NULL)
        return forkcall_fail(1, "no memory for %llu bytes", (unsigned long long)question->size);
    fill_answer(own, question->size, question->seed);
    const int error = forkcall_buf_append(result, own, question->size);
    free(own);
    return error;
}

static int64_t ask_library(forkcall_fn *fn, size_t size, struct forkcall_buf *result)
{
    const uint64_t start = clock_ns();
    const struct question question = {start, size};
    const struct forkcall_report report = forkcall_run(fn, &question, sizeof question, result, &by_fork);
    const bool good =
        ended_as(&report, FORKCALL_OK) && result->size == size && answer_is_right(result->data, size, start);
    return good ? elapsed_since(start) : RUN_FAILED;
}

static int64_t library_in_place_kept(void *context)
{
    struct exchange *const exchange = context;
    return ask_library(fill_in_place, exchange->size, &exchange->kept);
}

static int64_t library_shared(void *context)
{
    struct exchange *const exchange = context;
    return ask_library(fill_in_place, exchange->size, &exchange->shared);
}

/* Uses a new buffer for each call, and counts the time to free it. */
static int64_t ask_library_afresh(forkcall_fn *fn, size_t size)
{
    const uint64_t start = clock_ns();
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const int64_t elapsed = ask_library(fn, size, &result);
    forkcall_buf_free(&result);
    return elapsed >= 0 ? elapsed_since(start) : RUN_FAILED;
}

static int64_t library_in_place(void *context)
{
    return ask_library_afresh(fill_in_place, ((struct exchange *)context)->size);
}

static int64_t library_append(void *context)
{
    return ask_library_afresh(fill_own_memory, ((struct exchange *)context)->size);
}

static int64_t pipe_of_default_size(void *context)
{
    const struct exchange *const exchange = context;
    return handmade_result(exchange->warm, exchange->size, 0);
}

static int64_t pipe_of_1_mib(void *context)
{
    const struct exchange *const exchange = context;
    return handmade_result(exchange->warm, exchange->size, (int)MIB);
}

static int64_t memfd_by_hand(void *context)
{
    return handmade_shared_result(((struct exchange *)context)->size);
}

static int64_t memfd_with_precautions(void *context)
{
    return handmade_careful_result(((struct exchange *)context)->size);
}

static int64_t kept_by_hand(void *context)
{
    const struct exchange *const exchange = context;
    return handmade_kept_result(exchange->kept_by_hand, exchange->size);
}

static int64_t in_process_warm(void *context)
{
    const struct exchange *const exchange = context;
    const uint64_t start = clock_ns();
    fill_answer(exchange->warm, exchange->size, start);
    return answer_is_right(exchange->warm, exchange->size, start) ? elapsed_since(start) : RUN_FAILED;
}

static void *map_memory(size_t size)
{
    void *const memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static int64_t in_process_fresh(void *context)
{
    const struct exchange *const exchange = context;
    const uint64_t start = clock_ns();
    void *const memory = map_memory(exchange->size);
    if (memory == NULL)
        return RUN_FAILED;
    fill_answer(memory, exchange->size, start);
    const bool good = answer_is_right(memory, exchange->size, start);
    munmap(memory, exchange->size);
    return good ? elapsed_since(start) : RUN_FAILED;
}

enum who { WARM, FRESH, PIPE_64K, PIPE_1M, MEMFD, CAREFUL, KEPT, IN_PLACE_KEPT, IN_PLACE, APPEND, SHARED, WHO_COUNT };

static const struct variant ways[WHO_COUNT] = {
    [WARM] = {"fill + read in process, warm", in_process_warm, NULL},
    [FRESH] = {"fill + read in process, fresh", in_process_fresh, NULL},
    [PIPE_64K] = {"fork + pipe of 64 KiB by hand", pipe_of_default_size, NULL},
    [PIPE_1M] = {"fork + pipe of 1 MiB by hand", pipe_of_1_mib, NULL},
    [MEMFD] = {"fork + memfd by hand", memfd_by_hand, NULL},
    [CAREFUL] = {"the same with all precautions", memfd_with_precautions, NULL},
    [KEPT] = {"fork + kept memory by hand", kept_by_hand, NULL},
    [IN_PLACE_KEPT] = {"in place, buffer kept", library_in_place_kept, NULL},
    [IN_PLACE] = {"in place", library_in_place, NULL},
    [APPEND] = {"appended", library_append, NULL},
    [SHARED] = {"shared buffer", library_shared, NULL},
};

struct size_plan {
    const char *name;
    size_t size;
    double kept_target; /* for an answer in place with a kept buffer, beside the warm process */
    double append_target;
    double best_target;   /* for an answer in place, beside the best of pipes and memfd by hand */
    double shared_target; /* for a shared buffer, beside the warm process */
    struct effort effort;
};

static void print_size_rows(const struct bench *bench, const struct size_plan *plan, const struct summary *times)
{
    static const enum who library_ways[] = {IN_PLACE_KEPT, IN_PLACE, APPEND};
    for (size_t i = 0; i < sizeof library_ways / sizeof *library_ways; i++) {
        const enum who library = library_ways[i];
        char what[64];
        snprintf(what, sizeof what, "%s, %s", plan->name, ways[library].name);
        for (enum who limit = WARM; limit <= CAREFUL; limit++) {
            double target = 0;
            if (library == IN_PLACE_KEPT && limit == WARM)
                target = plan->kept_target;
            else if (library == APPEND && limit == PIPE_1M)
                target = plan->append_target;
            print_row(bench, &(struct row){what, ways[limit].name, &times[limit], &times[library], target, UNIT_TIME});
        }
    }
}

static void print_best_and_shared_rows(const struct bench *bench, const struct size_plan *plan,
                                       const struct summary *times)
{
    char what[64];
    enum who best = PIPE_64K;
    for (enum who by_hand = PIPE_1M; by_hand <= MEMFD; by_hand++)
        if (times[by_hand].median_us < times[best].median_us)
            best = by_hand;
    snprintf(what, sizeof what, "%s, %s", plan->name, ways[IN_PLACE].name);
    print_row(bench, &(struct row){what, "the best of these by hand", &times[best], &times[IN_PLACE], plan->best_target,
                                   UNIT_TIME});
    snprintf(what, sizeof what, "%s, %s", plan->name, ways[SHARED].name);
    print_row(bench,
              &(struct row){what, ways[WARM].name, &times[WARM], &times[SHARED], plan->shared_target, UNIT_TIME});
    print_row(bench, &(struct row){what, ways[KEPT].name, &times[KEPT], &times[SHARED], 0, UNIT_TIME});
}

static void plot_size(const struct bench *bench, const struct size_plan *plan, const struct summary *times)
{
    for (enum who who = WARM; who < WHO_COUNT; who++)
        if (who != FRESH && who != IN_PLACE_KEPT)
            plot_point(bench, PICTURE_RESULT, ways[who].name, (double)plan->size / (double)KIB, &times[who]);
}

static void measure_size(struct bench *bench, const struct size_plan *plan)
{
    struct exchange exchange = {
        .size = plan->size, .kept = FORKCALL_BUF_INIT, .shared = forkcall_buf_shared(plan->size)};
    struct variant variants[WHO_COUNT];
    struct summary times[WHO_COUNT];
    const bool fits = memory_fits(8 * plan->size);
    exchange.warm = fits ? map_memory(plan->size) : NULL;
    exchange.kept_by_hand = fits ? handmade_kept_memory(plan->size) : NULL;
    if (exchange.warm == NULL || exchange.kept_by_hand == NULL) {
        print_skip(bench, plan->name, "not enough free memory");
        return;
    }
    madvise(exchange.warm, plan->size, MADV_DONTFORK);
    for (size_t i = 0; i < WHO_COUNT; i++)
        variants[i] = (struct variant){ways[i].name, ways[i].run, &exchange};
    measure(bench, variants, WHO_COUNT, plan->effort, times);
    print_size_rows(bench, plan, times);
    print_best_and_shared_rows(bench, plan, times);
    plot_size(bench, plan, times);
    forkcall_buf_free(&exchange.shared);
    forkcall_buf_free(&exchange.kept);
    munmap(exchange.warm, plan->size);
}

static void run_result_rows(struct bench *bench)
{
    static const struct effort small = {.warm_up = 5, .min_rounds = 50, .max_rounds = 1000, .seconds = 1.5};
    static const struct effort large = {.warm_up = 1, .min_rounds = 7, .max_rounds = 200, .seconds = 4};
    const struct size_plan plans[] = {
        {"8 B", 8, 0, 0, 0, 0, small},
        {"4 KiB", 4 * KIB, 0, 0, 1.15, 0, small},
        {"64 KiB", 64 * KIB, 0, 0, 1.15, 0, small},
        {"256 KiB", 256 * KIB, 0, 0, 1.15, 0, small},
        {"1 MiB", 1 * MIB, 0, 0, 1.15, 3, small},
        {"16 MiB", 16 * MIB, 1.7, 0, 0, 0, large},
        {"256 MiB", 256 * MIB, 1.2, 0.7, 0, 1.2, large},
    };
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++)
        measure_size(bench, &plans[i]);
}

const struct group result_group = {"result", "answers of 8 bytes to 256 MiB", run_result_rows, false};
