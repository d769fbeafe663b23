/* Tests ways to leave the function without a return: the child must not go on as a second copy of
 * its caller.
 *
 * SPDX-License-Identifier: MIT */
#include "children.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What host and child note in shared_memory(). */
struct evidence {
    atomic_int caller_cleanup, own_cleanup, own_destructor, caller_code_in_child, escaped;
};

static struct evidence *evidence(void)
{
    return shared_memory();
}

static pid_t host;

/* Called by the caller's code behind a call. In the child this code must not run. */
static void caller_was_here(void)
{
    if (getpid() != host)
        evidence()->caller_code_in_child++;
}

static void caller_cleanup(void *unused)
{
    (void)unused;
    evidence()->caller_cleanup++;
}

static void own_cleanup(void *unused)
{
    (void)unused;
    evidence()->own_cleanup++;
}

static void own_destructor(void *unused)
{
    (void)unused;
    evidence()->own_destructor++;
}

/* ---- pthread_exit ---------------------------------------------------------------------------- */

static int calls_pthread_exit(const void *args, size_t args_size, struct forkcall_buf *result)
{
    pthread_key_t key;
    (void)args;
    (void)args_size;
    (void)result;
    if (pthread_key_create(&key, own_destructor) != 0 || pthread_setspecific(key, evidence()) != 0)
        return 1;
    pthread_cleanup_push(own_cleanup, NULL);
    pthread_exit(NULL);
    pthread_cleanup_pop(0);
}

static int cancels_itself(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    pthread_cleanup_push(own_cleanup, NULL);
    pthread_cancel(pthread_self());
    pthread_testcancel();
    pthread_cleanup_pop(0);
    return 1;
}

static struct forkcall_report call_under_a_cleanup_handler(forkcall_fn *fn)
{
    struct forkcall_report report;
    pthread_cleanup_push(caller_cleanup, NULL);
    report = run_tested(fn, NULL, 0, NULL, NULL);
    caller_was_here();
    pthread_cleanup_pop(0);
    return report;
}

static int host_with_a_cleanup_handler(void *context)
{
    forkcall_fn *const *fn = context;
    host = getpid();
    const struct forkcall_report r = call_under_a_cleanup_handler(*fn);
    CHECK(getpid() == host);
    CHECK(r.status == FORKCALL_EXITED && r.ran == FORKCALL_RAN_YES);
    CHECK(strstr(r.message, "pthread_exit") != NULL);
    CHECK(evidence()->caller_cleanup == 0 && evidence()->caller_code_in_child == 0);
    CHECK(evidence()->own_cleanup == 1);
    return 42;
}

static void pthread_exit_runs_the_functions_handlers_and_not_the_callers(void **state)
{
    forkcall_fn *fn = calls_pthread_exit;
    (void)state;
    assert_int_equal(host_run(host_with_a_cleanup_handler, &fn), 42);
    assert_int_equal(evidence()->caller_cleanup, 0);
}

static void pthread_cancel_of_the_functions_thread_is_told_alike(void **state)
{
    forkcall_fn *fn = cancels_itself;
    (void)state;
    assert_int_equal(host_run(host_with_a_cleanup_handler, &fn), 42);
    assert_int_equal(evidence()->caller_cleanup, 0);
}

static void *calling_thread(void *unused)
{
    (void)unused;
    const struct forkcall_options options = {.allow_unsafe_fork = true, .timeout_ms = DEADLINE_S * 1000 / 2};
    static struct forkcall_report report;
    pthread_cleanup_push(caller_cleanup, NULL);
    report = run_tested(calls_pthread_exit, NULL, 0, NULL, &options);
    caller_was_here();
    pthread_cleanup_pop(0);
    return &report;
}

static int host_that_calls_from_a_thread(void *unused)
{
    pthread_t thread;
    void *report;
    (void)unused;
    host = getpid();
    CHECK(pthread_create(&thread, NULL, calling_thread, NULL) == 0);
    CHECK(pthread_join(thread, &report) == 0);
    CHECK(((struct forkcall_report *)report)->status == FORKCALL_EXITED);
    CHECK(evidence()->caller_cleanup == 0 && evidence()->caller_code_in_child == 0 && evidence()->own_cleanup == 1);
    return 42;
}

static void pthread_exit_where_the_caller_is_a_thread(void **state)
{
    (void)state;
    assert_int_equal(host_run(host_that_calls_from_a_thread, NULL), 42);
}

/* A thread of the child that ends while the function goes on. */
static void *thread_that_ends(void *unused)
{
    (void)unused;
    pthread_exit(NULL);
}

static int answers_after_a_thread(const void *args, size_t args_size, struct forkcall_buf *result)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, thread_that_ends, NULL) != 0 || pthread_join(thread, NULL) != 0)
        return 1;
    return child_answers_42(args, args_size, result);
}

static void pthread_exit_of_another_thread_ends_that_alone(void **state)
{
    int answer = 0;
    struct forkcall_buf result = forkcall_buf_fixed(&answer, sizeof answer);
    (void)state;
    const struct forkcall_report r = run_tested(answers_after_a_thread, NULL, 0, &result, NULL);
    assert_status(r, FORKCALL_OK);
    assert_int_equal(answer, 42);
}

/* A thread that still runs when the function returns. */
static void *thread_that_stays(void *unused)
{
    while (unused == NULL)
        pause();
    return NULL;
}

static int answers_beside_a_thread(const void *args, size_t args_size, struct forkcall_buf *result)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, thread_that_stays, NULL) != 0)
        return 1;
    return child_answers_42(args, args_size, result);
}

static void threads_of_the_function_end_with_its_return(void **state)
{
    (void)state;
    const struct forkcall_report r = run_tested(answers_beside_a_thread, NULL, 0, NULL, NULL);
    assert_status(r, FORKCALL_OK);
    int pid = r.pid;
    assert_true(r.wait_status == -1 ? wait_until(process_is_gone, &pid) : !process_lives(pid));
}

/* ---- longjmp --------------------------------------------------------------------------------- */

static jmp_buf callers_frame;
static int callers_jumps;

static int jumps_to_the_caller(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    longjmp(callers_frame, 1); // NOLINT(cert-err52-cpp): what is tested
}

/* What the child does after it has jumped into the caller's code. */
enum next { NEXT_EXIT, NEXT_RUN, NEXT_FAIL, NEXT__EXIT, NEXT_THROW, NEXT_PROGRESS, NEXT_HANG, NEXT_COUNT };

static int host_that_is_jumped_into(void *context)
{
    const enum next next = *(const enum next *)context;
    /* Only NEXT_HANG waits for the deadline, which is checked in forkcall_finish(). */
    const struct forkcall_options options = {.timeout_ms = next == NEXT_HANG ? 1 : DEADLINE_S * 1000 / 2};
    struct forkcall_call *call;
    evidence()->escaped = 0;
    host = getpid();
    if (setjmp(callers_frame) != 0) { // NOLINT(cert-err52-cpp): what is tested
        callers_jumps++;
        evidence()->escaped = 1;
        if (next == NEXT_EXIT)
            exit(0); // NOLINT(concurrency-mt-unsafe): what is tested
        if (next == NEXT_RUN)
            run_tested(child_returns_0, NULL, 0, NULL, NULL);
        if (next == NEXT_FAIL)
            (void)forkcall_fail(1, "failed in the caller's copy");
        if (next == NEXT__EXIT)
            _exit(0);
        if (next == NEXT_THROW)
            forkcall_throw(1, "thrown by the caller's copy");
        if (next == NEXT_PROGRESS)
            forkcall_progress(1, 2, "told by the caller's copy");
        for (;;)
            pause();
    }
    CHECK(start_tested(&call, jumps_to_the_caller, NULL, 0, NULL, &options) == 0);
    CHECK(wait_until(is_set, &evidence()->escaped));
    const struct forkcall_report r = forkcall_finish(call);
    CHECK(getpid() == host);
    CHECK(callers_jumps == 0);
    if (next == NEXT_HANG) {
        CHECK(r.status == FORKCALL_TIMED_OUT);
    } else if (next == NEXT__EXIT) {
        /* _exit(2) cannot be intercepted, so nothing tells that the child has jumped. */
        CHECK(r.status == FORKCALL_EXITED);
    } else {
        CHECK(r.status == FORKCALL_SIGNALED && r.code == SIGABRT);
        CHECK(strstr(r.message, "longjmp") != NULL);
    }
    CHECK(r.ran == FORKCALL_RAN_YES);
    return 42;
}

static void longjmp_to_the_caller_is_told_at_the_next_call_or_exit_or_at_the_deadline(void **state)
{
    (void)state;
    if (!method_shares_memory())
        SKIP("the child has no frame of its caller's");
    for (enum next next = 0; next < NEXT_COUNT; next++)
        assert_int_equal(host_run(host_that_is_jumped_into, &next), 42);
}

static jmp_buf own_frame;

static void jump_back(int depth);
/* A volatile pointer hides from the compiler that the call does not return. */
static void (*volatile jump_back_further)(int) = jump_back;

static void jump_back(int depth)
{
    if (depth > 0)
        jump_back_further(depth - 1);
    longjmp(own_frame, 1); // NOLINT(cert-err52-cpp): what is tested
}

static int jumps_within_itself(const void *args, size_t args_size, struct forkcall_buf *result)
{
    if (setjmp(own_frame) == 0) // NOLINT(cert-err52-cpp): what is tested
        jump_back(10);
    forkcall_progress(1, 1, "still inside");
    return child_answers_42(args, args_size, result);
}

static void longjmp_inside_the_function_is_none_of_ours(void **state)
{
    int answer = 0;
    struct forkcall_buf result = forkcall_buf_fixed(&answer, sizeof answer);
    (void)state;
    const struct forkcall_report r = run_tested(jumps_within_itself, NULL, 0, &result, NULL);
    assert_status(r, FORKCALL_OK);
    assert_int_equal(answer, 42);
}

int main(void)
{
    forkcall_init();
#define TEST(name) cmocka_unit_test_setup(name, set_up_test)
    const struct CMUnitTest tests[] = {
        TEST(pthread_exit_runs_the_functions_handlers_and_not_the_callers),
        TEST(pthread_cancel_of_the_functions_thread_is_told_alike),
        TEST(pthread_exit_where_the_caller_is_a_thread),
        TEST(pthread_exit_of_another_thread_ends_that_alone),
        TEST(threads_of_the_function_end_with_its_return),
        TEST(longjmp_to_the_caller_is_told_at_the_next_call_or_exit_or_at_the_deadline),
        TEST(longjmp_inside_the_function_is_none_of_ours),
    };
    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
