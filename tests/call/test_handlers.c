/* Tests handlers that a function registers by atexit(3). By SERVER and SPAWN they run at the
 * function's return, because the process has no handlers of the caller, and the call ends as they
 * end. By FORK no handler runs. No handler of the host runs by any method.
 *
 * SPDX-License-Identifier: MIT */
#include "children.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What host and child note in shared_memory(). */
struct evidence {
    atomic_int hosts;           /* calls of handlers that are not the function's */
    atomic_int own, ran[4];     /* calls of the function's handlers, in their order */
    atomic_int in_exit, in_own; /* set by two threads that wait for each other */
};

static struct evidence *evidence(void)
{
    return shared_memory();
}

/* ---- Handlers -------------------------------------------------------------------------------- */

static void hosts_handler(void)
{
    evidence()->hosts++;
}

/* Registered before main(), and therefore in every process of this program. */
__attribute__((constructor)) static void register_for_the_program(void)
{
    if (atexit(hosts_handler) != 0)
        abort();
}

static void note(int which)
{
    evidence()->ran[evidence()->own++ % 4] = which;
}

static void first_registered(void)
{
    note(1);
}

static void second_registered(void)
{
    note(2);
}

static bool handlers_run(void)
{
    return !method_shares_memory();
}

/* args: what the function returns after it has registered two handlers. */
static int leaves_two_handlers(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int code = *(const int *)args;
    (void)args_size;
    if (atexit(first_registered) != 0 || atexit(second_registered) != 0)
        return 99;
    if (forkcall_buf_append(result, "answer", 6) != 0)
        return 98;
    return code == 0 ? 0 : forkcall_fail(code, "in its own words");
}

static bool both_ran_last_first(void)
{
    const struct evidence *seen = evidence();
    return handlers_run() ? seen->own == 2 && seen->ran[0] == 2 && seen->ran[1] == 1 : seen->own == 0;
}

static int host_with_a_handler(void *unused)
{
    const int good = 0;
    const int bad = 7;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    (void)unused;
    CHECK(atexit(hosts_handler) == 0);
    struct forkcall_report r = run_tested(leaves_two_handlers, &good, sizeof good, &result, NULL);
    CHECK(r.status == FORKCALL_OK && result.size == 6 && memcmp(result.data, "answer", 6) == 0);
    CHECK(both_ran_last_first() && evidence()->hosts == 0);
    clear_shared_memory();
    r = run_tested(leaves_two_handlers, &bad, sizeof bad, &result, NULL);
    CHECK(r.status == FORKCALL_FAILED && r.code == 7 && strcmp(r.message, "in its own words") == 0);
    CHECK(both_ran_last_first() && evidence()->hosts == 0);
    forkcall_buf_free(&result);
    return 42;
}

static void handlers_run_last_first_before_the_caller_hears_of_the_return_and_none_of_the_hosts(void **state)
{
    (void)state;
    assert_int_equal(host_run(host_with_a_handler, NULL), 42);
    assert_int_equal(evidence()->hosts, 0);
}

static void registers_another(void)
{
    note(3);
    if (atexit(first_registered) != 0)
        abort();
}

static int leaves_one_that_registers(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    return atexit(registers_another) == 0 ? 0 : 99;
}

static void handler_that_a_handler_registers_runs_too(void **state)
{
    (void)state;
    const struct forkcall_report r = run_tested(leaves_one_that_registers, NULL, 0, NULL, NULL);
    assert_status(r, FORKCALL_OK);
    assert_int_equal(evidence()->own, handlers_run() ? 2 : 0);
    assert_int_equal(evidence()->ran[1], handlers_run() ? 1 : 0);
    assert_int_equal(evidence()->hosts, 0);
}

/* Registers more handlers than the C library can hold without allocating memory. */
static int leaves_a_hundred(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    for (int i = 0; i < 100; i++)
        if (atexit(first_registered) != 0)
            return 99;
    return 0;
}

static void hundred_handlers_all_run_and_the_hosts_do_not(void **state)
{
    (void)state;
    const struct forkcall_report r = run_tested(leaves_a_hundred, NULL, 0, NULL, NULL);
    assert_status(r, FORKCALL_OK);
    assert_int_equal(evidence()->own, handlers_run() ? 100 : 0);
    assert_int_equal(evidence()->hosts, 0);
}

/* ---- A handler that prints ------------------------------------------------------------------- */

static void prints(void)
{
    printf("from the handler\n");
}

/* Without the stream, in which what the function has printed may wait. */
static void writes(void)
{
    if (write(STDOUT_FILENO, "from the handler\n", 17) != 17)
        abort();
}

static int prints_and_leaves_a_handler_that_writes(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    printf("from the function, "); /* no line ends: it is kept */
    return atexit(writes) == 0 ? 0 : 99;
}

static int prints_and_leaves_a_handler_that_prints(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    printf("from the function, "); /* no line ends: it is kept */
    return atexit(prints) == 0 ? 0 : 99;
}

static int collect(void *user, int fd, const char *data, size_t size)
{
    (void)fd;
    return forkcall_buf_append(user, data, size);
}

static void assert_the_function_comes_first(forkcall_fn *fn)
{
    struct forkcall_buf output = FORKCALL_BUF_INIT;
    const struct forkcall_options options = {
        .standard_output = FORKCALL_STREAM_CAPTURE, .output = collect, .user = &output};
    const struct forkcall_report r = run_tested(fn, NULL, 0, NULL, &options);
    assert_status(r, FORKCALL_OK);
    assert_int_equal(forkcall_buf_append(&output, "", 1), 0);
    assert_string_equal(output.data, handlers_run() ? "from the function, from the handler\n" : "from the function, ");
    forkcall_buf_free(&output);
}

static void what_a_handler_prints_comes_behind_what_the_function_printed(void **state)
{
    (void)state;
    assert_the_function_comes_first(prints_and_leaves_a_handler_that_prints);
}

static void what_a_handler_writes_comes_behind_what_the_function_printed(void **state)
{
    (void)state;
    assert_the_function_comes_first(prints_and_leaves_a_handler_that_writes);
}

/* ---- How a handler ends is how the call ends ------------------------------------------------- */

static void crashes(void)
{
    raise(SIGSEGV);
}

static void hangs(void)
{
    evidence()->in_own = 1;
    for (;;)
        pause();
}

static void calls__exit(void)
{
    _exit(5);
}

static void calls_exit_6(void)
{
    exit(6); // NOLINT(concurrency-mt-unsafe): what is tested
}

static void calls_exit_0(void)
{
    exit(0); // NOLINT(concurrency-mt-unsafe): what is tested
}

static void calls_quick_exit(void)
{
    quick_exit(7);
}

static void throws(void)
{
    forkcall_throw(8, "thrown by a handler");
}

static void ends_the_thread(void)
{
    pthread_exit(NULL);
}

enum way { CRASHES, HANGS, CALLS__EXIT, CALLS_EXIT_6, CALLS_EXIT_0, CALLS_QUICK_EXIT, THROWS, ENDS_THE_THREAD };

static void (*const handlers[])(void) = {
    [CRASHES] = crashes,
    [HANGS] = hangs,
    [CALLS__EXIT] = calls__exit,
    [CALLS_EXIT_6] = calls_exit_6,
    [CALLS_EXIT_0] = calls_exit_0,
    [CALLS_QUICK_EXIT] = calls_quick_exit,
    [THROWS] = throws,
    [ENDS_THE_THREAD] = ends_the_thread,
};

static int leaves_one_that_ends_so(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    forkcall_buf_append(result, "answer", 6);
    return atexit(handlers[*(const enum way *)args]) == 0 ? 0 : 99;
}

static struct forkcall_report call_with_deadline(enum way way, int timeout_ms)
{
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_options options = {.timeout_ms = timeout_ms};
    const struct forkcall_report r = run_tested(leaves_one_that_ends_so, &way, sizeof way, &result, &options);
    assert_int_equal(result.size, r.status == FORKCALL_OK ? 6 : 0);
    assert_int_equal(evidence()->hosts, 0);
    forkcall_buf_free(&result);
    return r;
}

/* Makes a call whose function answers, returns 0, and leaves a handler that ends in this way.
 * False: the call was by FORK, where no handler runs, and it ended with FORKCALL_OK. */
static bool call(enum way way, struct forkcall_report *report)
{
    *report = call_with_deadline(way, DEADLINE_S * 1000);
    assert_int_equal(report->ran, FORKCALL_RAN_YES);
    if (!handlers_run())
        assert_status(*report, FORKCALL_OK);
    return handlers_run();
}

static void handler_that_crashes_is_told_as_a_crash(void **state)
{
    struct forkcall_report r;
    (void)state;
    if (!call(CRASHES, &r))
        return;
    assert_status(r, FORKCALL_SIGNALED);
    assert_int_equal(r.code, SIGSEGV);
    assert_int_equal(r.crash.signal, SIGSEGV);
}

static void deadline_holds_for_a_handler_that_hangs(void **state)
{
    struct forkcall_report r = {.ran = FORKCALL_RAN_NO};
    (void)state;
    if (!handlers_run()) {
        call(HANGS, &r);
        return;
    }
    /* A busy machine may not reach the handler before the deadline. */
    for (int ms = short_timeout_ms(); evidence()->in_own == 0; ms *= 2) {
        assert_true(ms < 2 * DEADLINE_S * 1000);
        r = call_with_deadline(HANGS, ms);
        assert_status(r, FORKCALL_TIMED_OUT);
    }
    assert_int_equal(r.ran, FORKCALL_RAN_YES);
}

static void _exit_of_a_handler_is_told_with_its_status(void **state)
{
    struct forkcall_report r;
    (void)state;
    if (!call(CALLS__EXIT, &r))
        return;
    assert_status(r, FORKCALL_EXITED);
    assert_int_equal(r.code, 5);
    assert_non_null(strstr(r.message, "before the function and its handlers of atexit() returned"));
}

/* C leaves this undefined. glibc continues with the handlers that are left. */
static void exit_of_a_handler_is_told_with_its_status(void **state)
{
    (void)state;
#if defined(__GLIBC__) && !defined(TEST_PORTABLE)
    struct forkcall_report r;
    if (!call(CALLS_EXIT_6, &r))
        return;
    assert_status(r, FORKCALL_EXITED);
    assert_int_equal(r.code, 6);
    assert_non_null(strstr(r.message, "after the function had returned"));
    call(CALLS_EXIT_0, &r);
    assert_status(r, FORKCALL_EXITED);
    assert_int_equal(r.code, 0);
#else
    SKIP("exit() is not told with its status here");
#endif
}

static void quick_exit_of_a_handler_is_told(void **state)
{
    struct forkcall_report r;
    (void)state;
    if (!call(CALLS_QUICK_EXIT, &r))
        return;
    assert_status(r, FORKCALL_EXITED);
    assert_int_equal(r.code, -1);
    assert_non_null(strstr(r.message, "after the function had returned"));
}

static void forkcall_throw_of_a_handler_is_the_failure_of_the_call(void **state)
{
    struct forkcall_report r;
    (void)state;
    if (!call(THROWS, &r))
        return;
    assert_status(r, FORKCALL_FAILED);
    assert_int_equal(r.code, 8);
    assert_string_equal(r.message, "thrown by a handler");
}

static void pthread_exit_of_a_handler_is_told(void **state)
{
    struct forkcall_report r;
    (void)state;
    if (!call(ENDS_THE_THREAD, &r))
        return;
    assert_status(r, FORKCALL_EXITED);
    assert_int_equal(r.code, 0);
    assert_non_null(strstr(r.message, "pthread_exit"));
}

/* ---- Ends that run no handler ---------------------------------------------------------------- */

static int leaves_two_handlers_and_throws(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int code = leaves_two_handlers(args, args_size, result);
    if (code != 0)
        return code;
    forkcall_throw(3, "thrown");
}

static void throw_runs_no_handler_at_all(void **state)
{
    const int good = 0;
    (void)state;
    const struct forkcall_report r = run_tested(leaves_two_handlers_and_throws, &good, sizeof good, NULL, NULL);
    assert_status(r, FORKCALL_FAILED);
    assert_int_equal(r.code, 3);
    assert_int_equal(evidence()->own, 0);
    assert_int_equal(evidence()->hosts, 0);
}

static int forks_with_a_handler_left(const void *args, size_t args_size, struct forkcall_buf *result)
{
    int status;
    (void)args;
    (void)args_size;
    (void)result;
    if (atexit(first_registered) != 0)
        return 99;
    const pid_t pid = fork();
    if (pid < 0)
        return 98;
    if (pid > 0 && (waitpid(pid, &status, 0) != pid || status != 0))
        return 97;
    return 0;
}

static void return_in_a_process_that_the_function_forked_runs_none(void **state)
{
    (void)state;
    const struct forkcall_report r = run_tested(forks_with_a_handler_left, NULL, 0, NULL, NULL);
    assert_status(r, FORKCALL_OK);
    assert_int_equal(evidence()->own, handlers_run() ? 1 : 0);
    assert_int_equal(evidence()->hosts, 0);
}

static int leaves_one_and_calls(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int good = 0;
    (void)args;
    (void)args_size;
    (void)result;
    if (atexit(registers_another) != 0)
        return 99;
    const struct forkcall_report r = run_in_forked_process(leaves_two_handlers, &good, NULL);
    return r.status == FORKCALL_OK && evidence()->own == 0 ? 0 : 98;
}

static void call_inside_by_fork_runs_none_and_leaves_the_outer_ones(void **state)
{
    (void)state;
    const struct forkcall_report r = run_tested(leaves_one_and_calls, NULL, 0, NULL, NULL);
    assert_status(r, FORKCALL_OK);
    assert_int_equal(evidence()->own, handlers_run() ? 2 : 0);
    assert_int_equal(evidence()->ran[0], handlers_run() ? 3 : 0);
    assert_int_equal(evidence()->hosts, 0);
}

/* ---- A return while another thread is in exit() ---------------------------------------------- */

/* A handler that runs in the exit() of another thread. It waits while the function returns, whose
 * thread then runs the next handler, unless the C library lets only one thread into exit(). */
static void waits_for_the_other(void)
{
    evidence()->in_exit = 1;
    for (int i = 0; i < 400 && evidence()->in_own == 0; i++)
        usleep(5000);
}

static void *thread_that_exits(void *unused)
{
    (void)unused;
    exit(4); // NOLINT(concurrency-mt-unsafe): what is tested
}

static int returns_while_a_thread_is_in_exit(const void *args, size_t args_size, struct forkcall_buf *result)
{
    pthread_t thread;
    (void)args;
    (void)args_size;
    (void)result;
    if (atexit(hangs) != 0 || atexit(waits_for_the_other) != 0 ||
        pthread_create(&thread, NULL, thread_that_exits, NULL) != 0)
        return 99;
    return wait_until(is_set, &evidence()->in_exit) ? 0 : 98;
}

static void return_while_another_thread_is_in_exit_runs_nothing_of_the_hosts(void **state)
{
    (void)state;
    const struct forkcall_report r = run_tested(returns_while_a_thread_is_in_exit, NULL, 0, NULL, NULL);
    if (handlers_run())
        assert_status(r, FORKCALL_EXITED);
    else
        assert_status(r, FORKCALL_OK);
    assert_int_equal(evidence()->hosts, 0);
}

int main(void)
{
    forkcall_init();
#define TEST(name) cmocka_unit_test_setup(name, set_up_test)
    const struct CMUnitTest tests[] = {
        TEST(handlers_run_last_first_before_the_caller_hears_of_the_return_and_none_of_the_hosts),
        TEST(handler_that_a_handler_registers_runs_too),
        TEST(hundred_handlers_all_run_and_the_hosts_do_not),
        TEST(what_a_handler_prints_comes_behind_what_the_function_printed),
        TEST(what_a_handler_writes_comes_behind_what_the_function_printed),
        TEST(handler_that_crashes_is_told_as_a_crash),
        TEST(deadline_holds_for_a_handler_that_hangs),
        TEST(_exit_of_a_handler_is_told_with_its_status),
        TEST(exit_of_a_handler_is_told_with_its_status),
        TEST(quick_exit_of_a_handler_is_told),
        TEST(forkcall_throw_of_a_handler_is_the_failure_of_the_call),
        TEST(pthread_exit_of_a_handler_is_told),
        TEST(throw_runs_no_handler_at_all),
        TEST(return_in_a_process_that_the_function_forked_runs_none),
        TEST(call_inside_by_fork_runs_none_and_leaves_the_outer_ones),
        TEST(return_while_another_thread_is_in_exit_runs_nothing_of_the_hosts),
    };
    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
