/* Tests how a function ends within the grace, after its deadline or a cancel: only a real answer
 * counts as an answer. */
#include "children.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum end {
    BY_ANSWER,
    BY_FAILURE,
    BY_THROW,
    BY_TOO_BIG,
    BY_NO_MEMORY,
    BY_EXIT,
    BY__EXIT,
    BY_PTHREAD_EXIT,
    BY_CRASH,
    BY_ITSELF /* SIGTERM has its default action */
};

static atomic_int *waits(void)
{
    return shared_memory();
}

static volatile sig_atomic_t terminated;

static void note(int signal)
{
    (void)signal;
    terminated = 1;
}

/* Waits for SIGTERM, and ends in the way that the argument says. */
static int child_ends_at_SIGTERM(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const enum end how = *(const enum end *)args;
    sigset_t blocked;
    sigset_t old;
    (void)args_size;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, &old);
    signal(SIGTERM, how == BY_ITSELF ? SIG_DFL : note);
    atomic_store(waits(), 1);
    while (!terminated)
        sigsuspend(&old);
    switch (how) {
    case BY_FAILURE:
        return forkcall_fail(7, "seven");
    case BY_THROW:
        forkcall_throw(8, "eight");
    case BY_TOO_BIG:
        return forkcall_buf_append(result, "more than eight", 15);
    case BY_NO_MEMORY:
        (void)forkcall_buf_extend(result, SIZE_MAX / 2 + 1);
        return 0;
    case BY_EXIT:
        exit(5); // NOLINT(concurrency-mt-unsafe): what is tested
    case BY__EXIT:
        _exit(5);
    case BY_PTHREAD_EXIT:
        pthread_exit(NULL);
    case BY_CRASH:
        abort();
    case BY_ANSWER:
    case BY_ITSELF:
        break;
    }
    return forkcall_buf_append(result, "late", 4);
}

static struct forkcall_report end_within_the_grace(enum end how, bool cancel, struct forkcall_buf *result)
{
    const struct forkcall_options options = {.timeout_ms = cancel ? 0 : short_timeout_ms(),
                                             .grace_ms = DEADLINE_S * 1000,
                                             .max_result = how == BY_NO_MEMORY ? 0 : 8};
    struct forkcall_call *call;
    clear_shared_memory();
    assert_int_equal(start_tested(&call, child_ends_at_SIGTERM, &how, sizeof how, result, &options), 0);
    assert_true(wait_until(is_set, waits()));
    if (cancel)
        assert_int_equal(forkcall_cancel(call), 0);
    return forkcall_finish(call);
}

static void what_answers_within_the_grace_has_answered(void **state)
{
    (void)state;
    static const struct {
        enum end how;
        enum forkcall_status status;
        int code;
    } ends[] = {{BY_ANSWER, FORKCALL_OK, 0},
                {BY_FAILURE, FORKCALL_FAILED, 7},
                {BY_THROW, FORKCALL_FAILED, 8},
                {BY_TOO_BIG, FORKCALL_TOO_BIG, EFBIG},
                {BY_NO_MEMORY, FORKCALL_FAILED, ENOMEM}};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        for (int cancel = 0; cancel < 2; cancel++) {
            struct forkcall_buf result = FORKCALL_BUF_INIT;
            const struct forkcall_report report = end_within_the_grace(ends[i].how, cancel == 1, &result);
            assert_status(report, ends[i].status);
            assert_int_equal(report.code, ends[i].code);
            assert_int_equal(result.size, ends[i].how == BY_ANSWER ? 4 : 0);
            forkcall_buf_free(&result);
        }
}

static void what_only_ends_within_the_grace_has_not(void **state)
{
    (void)state;
    static const enum end ends[] = {BY_EXIT, BY__EXIT, BY_PTHREAD_EXIT, BY_CRASH, BY_ITSELF};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        for (int cancel = 0; cancel < 2; cancel++) {
            struct forkcall_buf result = FORKCALL_BUF_INIT;
            const struct forkcall_report report = end_within_the_grace(ends[i], cancel == 1, &result);
            assert_status(report, cancel == 1 ? FORKCALL_CANCELED : FORKCALL_TIMED_OUT);
            assert_int_equal(report.code, 0);
            assert_int_equal(result.size, 0);
        }
}

int main(void)
{
    forkcall_init();
#define TEST(name) cmocka_unit_test_setup(name, set_up_test)
    const struct CMUnitTest tests[] = {
        TEST(what_answers_within_the_grace_has_answered),
        TEST(what_only_ends_within_the_grace_has_not),
    };
    return cmocka_run_group_tests_name("grace", tests, set_up_group, tear_down_group);
}
