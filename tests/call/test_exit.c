/* Tests a function that ends its process or its thread: the report says so, and no code of the host
 * runs in the child.
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

#if defined(__GLIBC__) && !defined(TEST_PORTABLE)
#define WHOLE_STATUS 1 /* The library learns the whole status of exit(). */
#else
#define WHOLE_STATUS 0
#endif

/* What host and child note in shared_memory(). */
struct evidence {
    atomic_int host_atexit, host_on_exit, host_at_quick_exit, programs_atexit;
    atomic_int own_atexit, own_at_quick_exit, own_cleanup, host_cleanup;
    atomic_int after_exit; /* The child has gone on behind exit(). */
};

static struct evidence *evidence(void)
{
    return shared_memory();
}

/* ---- A host with handlers -------------------------------------------------------------------- */

static void host_atexit(void)
{
    evidence()->host_atexit++;
}

/* Registered before main(), and therefore in every process of this program. */
static void programs_atexit(void)
{
    evidence()->programs_atexit++;
}

__attribute__((constructor)) static void register_for_the_program(void)
{
    if (atexit(programs_atexit) != 0)
        abort();
}

static void host_at_quick_exit(void)
{
    evidence()->host_at_quick_exit++;
}

#ifdef __GLIBC__
static void host_on_exit(int status, void *unused)
{
    (void)status;
    (void)unused;
    evidence()->host_on_exit++;
}
#endif

static int register_handlers(void)
{
    int r = atexit(host_atexit);
    r |= at_quick_exit(host_at_quick_exit);
#ifdef __GLIBC__
    r |= on_exit(host_on_exit, NULL);
#endif
    return r;
}

static bool host_handlers_ran(void)
{
    return evidence()->host_atexit != 0 || evidence()->host_on_exit != 0 || evidence()->host_at_quick_exit != 0 ||
           evidence()->programs_atexit != 0;
}

static struct forkcall_report run_with_threads(forkcall_fn *fn, const int *args)
{
    const struct forkcall_options options = {.allow_unsafe_fork = true, .timeout_ms = DEADLINE_S * 1000 / 2};
    return run_tested(fn, args, sizeof *args, NULL, &options);
}

/* ---- exit() ---------------------------------------------------------------------------------- */

static int exits_with(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    forkcall_buf_append(result, "partial", 7);
    exit(*(const int *)args); // NOLINT(concurrency-mt-unsafe): what is tested
}

static int host_whose_function_exits(void *unused)
{
    static const int statuses[] = {3, 0, 300, -1};
    (void)unused;
    CHECK(register_handlers() == 0);
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        const struct forkcall_report r = run_tested(exits_with, &statuses[i], sizeof statuses[i], &result, NULL);
        CHECK(r.status == FORKCALL_EXITED && r.ran == FORKCALL_RAN_YES && result.size == 0);
        CHECK(r.code == (WHOLE_STATUS ? statuses[i] : -1));
        const int wait_status = wait_status_of_told_end((statuses[i] & 0xff) << 8);
        CHECK(!WHOLE_STATUS || r.wait_status == wait_status);
        CHECK(strstr(r.message, "exit(") != NULL);
        CHECK(!host_handlers_ran());
        forkcall_buf_free(&result);
    }
    exit(42); // NOLINT(concurrency-mt-unsafe): the host's own, whose handlers do run
}

static void exit_is_told_and_runs_no_handler_of_the_host(void **state)
{
    (void)state;
    assert_int_equal(host_run(host_whose_function_exits, NULL), 42);
    assert_int_equal(evidence()->host_atexit, 1);
    assert_int_equal(evidence()->programs_atexit, 1);
    assert_int_equal(evidence()->host_at_quick_exit, 0);
}

static int calls__exit(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    _exit(*(const int *)args);
}

static int calls_quick_exit(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    quick_exit(*(const int *)args);
}

static int host_whose_function_ends_quickly(void *unused)
{
    const int status = 5;
    (void)unused;
    CHECK(register_handlers() == 0);
    struct forkcall_report r = run_tested(calls__exit, &status, sizeof status, NULL, NULL);
    CHECK(r.status == FORKCALL_EXITED && r.code == 5 && r.ran == FORKCALL_RAN_YES);
    CHECK(strstr(r.message, "5") != NULL);
    r = run_tested(calls_quick_exit, &status, sizeof status, NULL, NULL);
    CHECK(r.status == FORKCALL_EXITED && r.code == -1 && r.ran == FORKCALL_RAN_YES);
    CHECK(strstr(r.message, "quick_exit") != NULL);
    CHECK(!host_handlers_ran());
    return 42;
}

static void _exit_and_quick_exit_are_told_and_run_no_handler_of_the_host(void **state)
{
    (void)state;
    assert_int_equal(host_run(host_whose_function_ends_quickly, NULL), 42);
    assert_false(host_handlers_ran());
}

static void own_atexit(void)
{
    evidence()->own_atexit++;
}

static void own_at_quick_exit(void)
{
    evidence()->own_at_quick_exit++;
}

static int registers_handlers_and_exits(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    for (int i = 0; i < 2; i++)
        if (atexit(own_atexit) != 0)
            return 1;
    if (at_quick_exit(own_at_quick_exit) != 0)
        return 1;
    if (*(const int *)args == 0)
        quick_exit(0);
    exit(3); // NOLINT(concurrency-mt-unsafe): what is tested
}

static void own_handlers_of_the_function_run_at_its_exit(void **state)
{
    const int quick = 0;
    const int slow = 1;
    (void)state;
    struct forkcall_report r = run_tested(registers_handlers_and_exits, &slow, sizeof slow, NULL, NULL);
    assert_status(r, FORKCALL_EXITED);
    assert_int_equal(evidence()->own_atexit, 2);
    assert_int_equal(evidence()->own_at_quick_exit, 0);
    r = run_tested(registers_handlers_and_exits, &quick, sizeof quick, NULL, NULL);
    assert_status(r, FORKCALL_EXITED);
    assert_int_equal(evidence()->own_atexit, 2);
    assert_int_equal(evidence()->own_at_quick_exit, 1);
}

static int registers_handlers_and_ends(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    if (atexit(own_atexit) != 0)
        return 1;
    if (*(const int *)args == 0)
        return 0;
    forkcall_throw(1, "thrown");
}

static int host_whose_function_returns_and_throws(void *unused)
{
    const int returns = 0;
    const int throws = 1;
    (void)unused;
    CHECK(register_handlers() == 0);
    CHECK(run_tested(registers_handlers_and_ends, &returns, sizeof returns, NULL, NULL).status == FORKCALL_OK);
    CHECK(!host_handlers_ran() && evidence()->own_atexit == (method_shares_memory() ? 0 : 1));
    CHECK(run_tested(registers_handlers_and_ends, &throws, sizeof throws, NULL, NULL).status == FORKCALL_FAILED);
    CHECK(!host_handlers_ran() && evidence()->own_atexit == (method_shares_memory() ? 0 : 1));
    return 42;
}

static void return_and_throw_run_no_handler_of_the_host(void **state)
{
    (void)state;
    assert_int_equal(host_run(host_whose_function_returns_and_throws, NULL), 42);
    assert_false(host_handlers_ran());
}

/* ---- From another thread, or another process ------------------------------------------------- */

static void *thread_that_exits(void *status)
{
    exit(*(int *)status); // NOLINT(concurrency-mt-unsafe): what is tested
}

static int exits_from_another_thread(const void *args, size_t args_size, struct forkcall_buf *result)
{
    int status = *(const int *)args;
    pthread_t thread;
    (void)args_size;
    (void)result;
    if (pthread_create(&thread, NULL, thread_that_exits, &status) != 0)
        return 1;
    pthread_join(thread, NULL);
    evidence()->after_exit++;
    return 0;
}

static int host_whose_function_exits_from_another_thread(void *unused)
{
    const int status = 300;
    (void)unused;
    CHECK(register_handlers() == 0);
    const struct forkcall_report r = run_tested(exits_from_another_thread, &status, sizeof status, NULL, NULL);
    CHECK(r.status == FORKCALL_EXITED && r.code == (WHOLE_STATUS ? 300 : -1));
    CHECK(!host_handlers_ran() && evidence()->after_exit == 0);
    return 42;
}

static void exit_from_another_thread_of_the_child(void **state)
{
    (void)state;
    assert_int_equal(host_run(host_whose_function_exits_from_another_thread, NULL), 42);
    assert_false(host_handlers_ran());
}

/* The function forks, and the grandchild ends by exit(), quick_exit(), forkcall_throw() or
 * return. */
enum grandchild_end { BY_EXIT, BY_QUICK_EXIT, BY_THROW, BY_RETURN, GRANDCHILD_ENDS };

static int forks_and_answers(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const enum grandchild_end how = *(const enum grandchild_end *)args;
    int status;
    (void)args_size;
    const pid_t pid = fork();
    if (pid < 0)
        return 1;
    if (pid == 0) {
        if (how == BY_EXIT)
            exit(9); // NOLINT(concurrency-mt-unsafe): what is tested
        if (how == BY_QUICK_EXIT)
            quick_exit(9);
        if (how == BY_THROW)
            forkcall_throw(9, "from the grandchild");
        return 0; /* only the child answers */
    }
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return 2;
    status = WEXITSTATUS(status);
    return forkcall_buf_append(result, &status, sizeof status);
}

static int host_whose_grandchildren_end(void *unused)
{
    static const int expected[GRANDCHILD_ENDS] = {WHOLE_STATUS ? 9 : 1, 1, 1, 0};
    (void)unused;
    CHECK(register_handlers() == 0);
    for (enum grandchild_end how = 0; how < GRANDCHILD_ENDS; how++) {
        int status = -1;
        struct forkcall_buf result = forkcall_buf_fixed(&status, sizeof status);
        const struct forkcall_report r = run_tested(forks_and_answers, &how, sizeof how, &result, NULL);
        CHECK(r.status == FORKCALL_OK && result.size == sizeof status);
        CHECK(status == expected[how]);
        CHECK(!host_handlers_ran());
    }
    return 42;
}

static void grandchild_that_ends_says_nothing_in_the_reply(void **state)
{
    (void)state;
    assert_int_equal(host_run(host_whose_grandchildren_end, NULL), 42);
    assert_false(host_handlers_ran());
}

/* ---- A threaded host ------------------------------------------------------------------------- */

static atomic_bool host_thread_ends;

static void *host_thread(void *unused)
{
    (void)unused;
    while (!atomic_load(&host_thread_ends))
        usleep(1000);
    return NULL;
}

static int host_with_threads(void *unused)
{
    static const int statuses[] = {3, 300};
    pthread_t thread;
    (void)unused;
    CHECK(register_handlers() == 0);
    CHECK(pthread_create(&thread, NULL, host_thread, NULL) == 0);
    /* Two calls, because what is registered once for a thread must work for each call of the
     * thread. */
    for (size_t i = 0; i < 2; i++) {
        const struct forkcall_report r = run_with_threads(exits_with, &statuses[i]);
        CHECK(r.status == FORKCALL_EXITED && r.code == (WHOLE_STATUS ? statuses[i] : -1));
        CHECK((r.hazards & FORKCALL_HAZARD_THREADS) != 0);
        CHECK(!host_handlers_ran());
    }
    static const int slow = 1;
    static const int quick = 0;
    clear_shared_memory();
    CHECK(run_with_threads(registers_handlers_and_exits, &slow).status == FORKCALL_EXITED);
    CHECK(evidence()->own_atexit == 2);
    CHECK(run_with_threads(exits_from_another_thread, &statuses[0]).status == FORKCALL_EXITED);
    CHECK(run_with_threads(registers_handlers_and_exits, &quick).status == FORKCALL_EXITED);
    CHECK(!host_handlers_ran());
    atomic_store(&host_thread_ends, true);
    CHECK(pthread_join(thread, NULL) == 0);
    exit(42); // NOLINT(concurrency-mt-unsafe): what was registered for the children must not harm the host
}

static void exit_in_the_child_of_a_threaded_host(void **state)
{
    (void)state;
    assert_int_equal(host_run(host_with_threads, NULL), 42);
    assert_int_equal(evidence()->host_atexit, 1);
}

static void *calling_thread(void *unused)
{
    const int status = 3;
    (void)unused;
    const struct forkcall_report r = run_with_threads(exits_with, &status);
    const bool right = r.status == FORKCALL_EXITED && r.code == (WHOLE_STATUS ? 3 : -1) && !host_handlers_ran();
    return right ? evidence() : NULL;
}

static int host_that_calls_from_a_thread(void *unused)
{
    pthread_t thread;
    void *right;
    (void)unused;
    CHECK(register_handlers() == 0);
    CHECK(pthread_create(&thread, NULL, calling_thread, NULL) == 0);
    /* The thread's destructors run in the host. */
    CHECK(pthread_join(thread, &right) == 0);
    CHECK(right != NULL);
    exit(42); // NOLINT(concurrency-mt-unsafe): what is tested
}

static void exit_in_the_child_of_another_thread_than_main(void **state)
{
    (void)state;
    assert_int_equal(host_run(host_that_calls_from_a_thread, NULL), 42);
    assert_int_equal(evidence()->host_atexit, 1);
}

/* The function has threads, too, and makes a call by FORK. This call must not remove what guards
 * the function's own exit. */
static int calls_with_threads_and_exits(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int inner_status = 5;
    pthread_t thread;
    (void)args_size;
    (void)result;
    if (pthread_create(&thread, NULL, host_thread, NULL) != 0)
        return 1;
    for (int i = 0; i < 2; i++) {
        const struct forkcall_options options = {
            .method = FORKCALL_FORK, .allow_unsafe_fork = true, .timeout_ms = DEADLINE_S * 1000 / 2};
        const struct forkcall_report r = forkcall_run(exits_with, &inner_status, sizeof inner_status, NULL, &options);
        if (r.status != FORKCALL_EXITED || r.code != (WHOLE_STATUS ? 5 : -1))
            return forkcall_fail(2, "%s", r.message);
    }
    const int status = *(const int *)args;
    if (status == 0)
        return 0;
    exit(status); // NOLINT(concurrency-mt-unsafe): what is tested
}

static int host_whose_function_forks_with_threads(void *unused)
{
    const int returns = 0;
    const int exits = 3;
    pthread_t thread;
    (void)unused;
    CHECK(register_handlers() == 0);
    CHECK(pthread_create(&thread, NULL, host_thread, NULL) == 0);
    CHECK(run_with_threads(calls_with_threads_and_exits, &returns).status == FORKCALL_OK);
    const struct forkcall_report r = run_with_threads(calls_with_threads_and_exits, &exits);
    CHECK(r.status == FORKCALL_EXITED && r.code == (WHOLE_STATUS ? 3 : -1));
    CHECK(!host_handlers_ran());
    atomic_store(&host_thread_ends, true);
    CHECK(pthread_join(thread, NULL) == 0);
    return 42;
}

static void fork_by_a_function_with_threads_leaves_its_own_exit_guarded(void **state)
{
    (void)state;
    if (under_emulator())
        SKIP("the emulator itself fails where a child of a threaded process makes a thread");
    assert_int_equal(host_run(host_whose_function_forks_with_threads, NULL), 42);
    assert_false(host_handlers_ran());
}

int main(void)
{
    forkcall_init();
#define TEST(name) cmocka_unit_test_setup(name, set_up_test)
    const struct CMUnitTest tests[] = {
        TEST(exit_is_told_and_runs_no_handler_of_the_host),
        TEST(_exit_and_quick_exit_are_told_and_run_no_handler_of_the_host),
        TEST(own_handlers_of_the_function_run_at_its_exit),
        TEST(return_and_throw_run_no_handler_of_the_host),
        TEST(exit_from_another_thread_of_the_child),
        TEST(grandchild_that_ends_says_nothing_in_the_reply),
        TEST(exit_in_the_child_of_a_threaded_host),
        TEST(exit_in_the_child_of_another_thread_than_main),
        TEST(fork_by_a_function_with_threads_leaves_its_own_exit_guarded),
    };
    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
