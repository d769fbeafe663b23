/* Tests a host whose other thread holds the loader's lock for as long as it likes (a profiler or
 * an unwinder in dl_iterate_phdr()): a call of the program's own function still ends at its
 * deadline, and its answer is not lost. */
#include "outcomes.h"

#include <link.h>
#include <pthread.h>
#include <unistd.h>

static int held[2];

static int hold(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)info;
    (void)size;
    (void)unused;
    if (write(held[1], "h", 1) == 1)
        hang();
    return 1;
}

static void *hold_the_lock(void *unused)
{
    dl_iterate_phdr(hold, unused);
    return NULL;
}

static int call_beside(void *unused)
{
    pthread_t thread;
    char byte;
    (void)unused;
    CHECK(pipe(held) == 0 && pthread_create(&thread, NULL, hold_the_lock, NULL) == 0 && read(held[0], &byte, 1) == 1);
    const struct forkcall_options late = {.timeout_ms = 50, .allow_unsafe_fork = true};
    CHECK(run_tested(child_hangs, NULL, 0, NULL, &late).status == FORKCALL_TIMED_OUT);
    const struct forkcall_options options = {.timeout_ms = DEADLINE_S * 1000, .allow_unsafe_fork = true};
    CHECK(run_tested(child_returns_0, NULL, 0, NULL, &options).status == FORKCALL_OK);
    CHECK(run_tested(child_fails_7, NULL, 0, NULL, &options).status == FORKCALL_FAILED);
    return 0;
}

static void calls_while_a_thread_holds_the_lock_of_the_loader(void **state)
{
    (void)state;
    assert_int_equal(host_run(call_beside, NULL), 0);
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {cmocka_unit_test(calls_while_a_thread_holds_the_lock_of_the_loader)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
