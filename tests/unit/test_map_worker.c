/* Tests that items which a host takes back from a child are not begun by the child: the child's
 * side is a thread here, or what a case does before the host loads a word. */
#include <stdatomic.h>
#include <stddef.h>

static void (*before_load)(void);

static void child_acts(void)
{
    if (before_load != NULL)
        before_load();
}

#undef atomic_load
#define atomic_load(word) (child_acts(), *(word))
#include "api/map_worker.c" /* NOLINT(bugprone-suspicious-include): its loads are watched */
#undef atomic_load
#define atomic_load(word) (*(word))

#include "support.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define COUNT 400U
#define ROUNDS 1000

/* Begins items until there is none, as child/run_items.c does. */
static void *begin_all(void *shared)
{
    struct fc_items_memory *memory = shared;
    uint32_t number = 0;
    while (atomic_load(&memory->grants) == 0)
        sched_yield();
    for (;;) {
        atomic_store(&memory->begun, number + 1);
        if (atomic_load(&memory->limit) <= number)
            break;
        number++;
    }
    atomic_store(&memory->begun, number);
    atomic_store(&memory->written, number);
    return NULL;
}

static void each_item_is_begun_or_taken_back(void **state)
{
    (void)state;
    static struct fc_items_memory memory;
    for (int round = 0; round < ROUNDS; round++) {
        struct fc_map_worker worker = {
            .memory = &memory, .limit = COUNT, .grants = 1, .grant = {{.first = 1000, .number = 0, .count = COUNT}}};
        pthread_t thread;
        size_t taken = 0;
        memset(&memory, 0, sizeof memory);
        atomic_store(&memory.limit, COUNT);
        assert_int_equal(pthread_create(&thread, NULL, begin_all, &memory), 0);
        atomic_store(&memory.grants, 1);
        while (atomic_load(&memory.begun) == 0)
            sched_yield();
        for (;;) {
            const struct fc_map_range range = fc_map_worker_take_back(&worker, round % 2 != 0);
            if (range.count == 0)
                break;
            /* The last of those that are left are taken. */
            assert_int_equal(range.first + range.count, 1000 + COUNT - taken);
            taken += range.count;
        }
        pthread_join(thread, NULL);
        /* The child may have stopped between two looks: the rest is taken now. */
        for (struct fc_map_range rest; (rest = fc_map_worker_take_back(&worker, true)).count > 0;)
            taken += rest.count;
        assert_int_equal(taken + atomic_load(&memory.written), COUNT);
    }
}

/* A child that denies having begun the item whose record is half taken must not get another child
 * to run that item: both would write its result. */
static void item_whose_record_is_half_taken_is_not_given_to_another(void **state)
{
    static struct fc_items_memory memory;
    struct fc_map_worker worker = {.memory = &memory,
                                   .limit = 10,
                                   .ended = 5,
                                   .grants = 1,
                                   .in_record = true,
                                   .grant = {{.first = 1000, .number = 0, .count = 10}}};
    (void)state;
    memset(&memory, 0, sizeof memory);
    atomic_store(&memory.limit, 10);
    atomic_store(&memory.begun, 5);
    assert_int_equal(fc_map_worker_waiting(&worker), 4);
    const struct fc_map_range range = fc_map_worker_take_back(&worker, true);
    assert_int_equal(range.first, 1006);
    assert_int_equal(range.count, 4);
    assert_int_equal(fc_map_worker_waiting(&worker), 0);
    assert_int_equal(fc_map_worker_take_back(&worker, true).count, 0);
}

static struct fc_items_memory raced;
static unsigned loads;

/* The child says that it begins its item; then it sees the limit without the item, and waits. */
static void begin_and_wait(void)
{
    loads++;
    atomic_store(&raced.begun, loads == 2);
    atomic_store(&raced.child_waits, loads > 1); /* in fact a moment later */
}

/* The item stays the child's, which nobody else would wake. */
static void child_that_may_begin_after_all_is_woken(void **state)
{
    struct fc_map_worker worker = {
        .memory = &raced, .limit = 1, .grants = 1, .grant = {{.first = 1000, .number = 0, .count = 1}}};
    (void)state;
    atomic_store(&raced.limit, 1);
    before_load = begin_and_wait;
    const struct fc_map_range range = fc_map_worker_take_back(&worker, false);
    before_load = NULL;
    assert_int_equal(range.count, 0);
    assert_int_equal(atomic_load(&raced.limit), 1);
    assert_int_equal(atomic_load(&raced.child_waits), 0);
}

/* Memory in whose log the record of the first item lies already. */
static struct late {
    struct fc_items_memory memory;
    struct fc_items_record log[2];
} late;

/* The item ends, and the next begins, while the host looks. */
static void end_and_begin(void)
{
    late.log[0] = (struct fc_items_record){.number = 0, .end = FC_END_RETURNED};
    atomic_store(&late.memory.written, sizeof late.log[0]);
    atomic_store(&late.memory.begun, 2);
}

/* An item that ends at its deadline must not have the next one ended in its place; but a child that
 * only says so gets no more time. */
static void an_item_that_is_late_is_held_and_no_other(void **state)
{
    struct fc_map map = {.options = {.call = {.timeout_ms = 10000}}};
    struct fc_map_team team = {.map = &map,
                               .layout = {.log_at = offsetof(struct late, log), .log_size = sizeof late.log}};
    static struct forkcall_call call;
    (void)state;
    for (int round = 0; round < 3; round++) {
        const bool ends = round == 1, lies = round == 2;
        struct fc_map_worker worker = {.team = &team,
                                       .map = &map,
                                       .memory = &late.memory,
                                       .call = &call,
                                       .limit = 3,
                                       .grants = 1,
                                       .grant = {{.count = 3}},
                                       .looked_ns = fc_now_ns()};
        memset(&late, 0, sizeof late);
        memset(&call, 0, sizeof call); /* it runs, and its deadline has passed */
        fc_fds_init(&call.fds);
        atomic_store(&late.memory.limit, 3);
        atomic_store(&late.memory.begun, lies ? 2 : 1);
        before_load = ends ? end_and_begin : NULL;
        const bool is_it = is_late(&worker);
        before_load = NULL;
        assert_int_equal(is_it, !ends);
        assert_int_equal(worker.ended, ends);
        assert_int_equal(atomic_load(&late.memory.limit), ends || lies ? 3 : 1);
    }
}

/* Only the map knows whether the item at work is late: the host may not have looked for long. */
static void deadline_of_items_is_the_maps_to_judge(void **state)
{
    static _Atomic(uint32_t) nothing_begun;
    const struct forkcall_options options = {
        .method = FORKCALL_FORK, .timeout_ms = 1, .allow_unsafe_fork = under_sanitizer()};
    struct forkcall_call *call;
    (void)state;
    assert_int_equal(fc_call_start_as(child_hangs, &call, child_hangs, NULL, 0, NULL, &options), 0);
    fc_call_set_items(call, &nothing_begun);
    while (fc_now_ns() < call->deadline_ns)
        sched_yield();
    assert_int_equal(forkcall_wait(call, 0), 0);
    assert_int_equal(call->stage, FC_STAGE_RUNNING);
    fc_call_time_out(call);
    assert_int_equal(forkcall_finish(call).status, FORKCALL_TIMED_OUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_item_is_begun_or_taken_back),
        cmocka_unit_test(item_whose_record_is_half_taken_is_not_given_to_another),
        cmocka_unit_test(child_that_may_begin_after_all_is_woken),
        cmocka_unit_test(an_item_that_is_late_is_held_and_no_other),
        cmocka_unit_test(deadline_of_items_is_the_maps_to_judge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
