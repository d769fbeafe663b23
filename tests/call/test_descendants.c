/* Tests processes that the function has started: none delays the caller, and the right ones live
 * on.
 *
 * SPDX-License-Identifier: MIT */
#include "children.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* What host and child note in shared_memory(). */
struct evidence {
    atomic_int grandchild; /* pid, as soon as the grandchild runs */
    atomic_int child;
    atomic_int moved;   /* the child has left its group */
    atomic_int answers; /* how often the grandchild has answered */
};

static struct evidence *evidence(void)
{
    return shared_memory();
}

static void answer(int signal)
{
    (void)signal;
    evidence()->answers++;
}

static void stay(void)
{
    signal(SIGUSR1, answer);
    evidence()->grandchild = getpid();
    for (;;)
        pause();
}

/* Starts a process that keeps all descriptors of the function and does not end. */
static bool start_grandchild(void)
{
    const pid_t pid = fork();
    if (pid == 0)
        stay();
    return pid > 0 && wait_until(is_set, &evidence()->grandchild);
}

/* True: the grandchild answers a signal. A process that was sent SIGKILL may exist for a while, but
 * does not answer. */
static bool grandchild_lives(void)
{
    evidence()->answers = 0;
    return evidence()->grandchild > 0 && kill(evidence()->grandchild, SIGUSR1) == 0 &&
           wait_until(is_set, &evidence()->answers);
}

static void kill_grandchild(void)
{
    int pid = evidence()->grandchild;
    assert_true(pid > 0);
    kill(pid, SIGKILL);
    assert_true(wait_until(process_is_gone, &pid));
}

/* ---- How the child itself ends --------------------------------------------------------------- */

enum end {
    BY_RETURN,
    BY_FAILURE,
    BY_THROW,
    BY_NO_MEMORY,
    BY_EXIT,
    BY__EXIT,
    BY_SIGNAL,
    BY_CRASH,
    BY_TOO_BIG,
    BY_HANGING
};

static int leaves_a_process(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    if (!start_grandchild())
        return -1;
    switch (*(const enum end *)args) {
    case BY_RETURN:
        return forkcall_buf_append(result, "done", 4);
    case BY_FAILURE:
        return 5;
    case BY_THROW:
        forkcall_throw(5, "thrown");
    case BY_NO_MEMORY:
        (void)forkcall_buf_extend(result, SIZE_MAX / 2 + 1);
        return 0;
    case BY_EXIT:
        exit(5); // NOLINT(concurrency-mt-unsafe): what is tested
    case BY__EXIT:
        _exit(5);
    case BY_SIGNAL:
        raise(SIGKILL);
        break;
    case BY_CRASH:
        abort();
    case BY_TOO_BIG:
        return forkcall_buf_append(result, "longer than eight", 17);
    case BY_HANGING:
        evidence()->child = getpid();
        for (;;)
            pause();
    }
    return -1;
}

static struct forkcall_report run(enum end how, struct forkcall_options options)
{
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    options.max_result = how == BY_NO_MEMORY ? 0 : 8;
    const struct forkcall_report r = run_tested(leaves_a_process, &how, sizeof how, &result, &options);
    forkcall_buf_free(&result);
    return r;
}

static void grandchild_that_keeps_the_descriptors_lives_on_after_an_answer(void **state)
{
    static const enum end answers[] = {BY_RETURN, BY_FAILURE, BY_THROW, BY_NO_MEMORY};
    const struct forkcall_options options = {.allow_env = false};
    (void)state;
    const struct traces before = traces_now();
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        clear_shared_memory();
        const struct forkcall_report r = run(answers[i], options);
        assert_status(r, answers[i] == BY_RETURN ? FORKCALL_OK : FORKCALL_FAILED);
        assert_true(grandchild_lives()); /* Nothing has killed or waited for the grandchild. */
        kill_grandchild();
    }
    assert_no_traces(before, false);
}

static int drop_output(void *user, int fd, const char *data, size_t size)
{
    (void)user;
    (void)fd;
    (void)data;
    (void)size;
    return 0;
}

static void grandchild_that_keeps_captured_streams_is_not_waited_for(void **state)
{
    const struct forkcall_options options = {
        .standard_output = FORKCALL_STREAM_CAPTURE, .standard_error = FORKCALL_STREAM_CAPTURE, .output = drop_output};
    (void)state;
    const struct traces before = traces_now();
    const struct forkcall_report r = run(BY_RETURN, options);
    assert_status(r, FORKCALL_OK);
    assert_true(grandchild_lives());
    kill_grandchild();
    assert_no_traces(before, false);
}

static void grandchild_is_killed_with_the_call_on_any_other_outcome(void **state)
{
    static const struct {
        enum end how;
        enum forkcall_status status;
    } ends[] = {{BY_EXIT, FORKCALL_EXITED},
                {BY__EXIT, FORKCALL_EXITED},
                {BY_SIGNAL, FORKCALL_SIGNALED},
                {BY_CRASH, FORKCALL_SIGNALED},
                {BY_TOO_BIG, FORKCALL_TOO_BIG}};
    const struct forkcall_options options = {.allow_env = false};
    (void)state;
    const struct traces before = traces_now();
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        clear_shared_memory();
        const struct forkcall_report r = run(ends[i].how, options);
        assert_status(r, ends[i].status);
        int grandchild = evidence()->grandchild;
        assert_true(grandchild > 0);
        assert_true(wait_until(process_is_gone, &grandchild));
    }
    assert_no_traces(before, false);
}

/* ---- Outcomes that only the caller's side decides -------------------------------------------- */

#define LARGE ((size_t)64 << 20)

static int leaves_a_process_and_a_large_result(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    return start_grandchild() && forkcall_buf_extend(result, LARGE) != NULL ? 0 : -1;
}

static bool forbid_more_memory(struct rlimit *old)
{
    char line[200];
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return false;
    const unsigned long pages = fgets(line, sizeof line, file) != NULL ? strtoul(line, NULL, 10) : 0;
    fclose(file);
    if (pages == 0 || getrlimit(RLIMIT_AS, old) < 0)
        return false;
    struct rlimit limit = *old;
    limit.rlim_cur = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + LARGE / 2;
    return setrlimit(RLIMIT_AS, &limit) == 0;
}

/* The function has returned 0, but the caller has no memory for the result. */
static int host_without_memory_for_the_result(void *by_start)
{
    const struct forkcall_options options = {.limits = {.address_space_bytes = (uint64_t)1 << 36}};
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    struct forkcall_call *call = NULL;
    struct forkcall_report r;
    struct rlimit old;
    CHECK(warm_up());
    CHECK(forbid_more_memory(&old));
    if (*(const bool *)by_start) {
        CHECK(start_tested(&call, leaves_a_process_and_a_large_result, NULL, 0, &result, &options) == 0);
        r = forkcall_finish(call);
    } else {
        r = run_tested(leaves_a_process_and_a_large_result, NULL, 0, &result, &options);
    }
    CHECK(setrlimit(RLIMIT_AS, &old) == 0);
    CHECK(r.status == FORKCALL_TOO_BIG && r.code == ENOMEM && r.ran == FORKCALL_RAN_YES && result.size == 0);
    int grandchild = evidence()->grandchild;
    CHECK(grandchild > 0 && wait_until(process_is_gone, &grandchild));
    forkcall_buf_free(&result);
    return 42;
}

static void grandchild_is_killed_where_the_caller_has_no_memory_for_the_result(void **state)
{
    (void)state;
    struct rlimit limit;
    if (under_sanitizer() || under_valgrind() || under_emulator() || sizeof(size_t) < 8)
        SKIP("address space cannot be limited here");
    if (getrlimit(RLIMIT_AS, &limit) < 0 || limit.rlim_max != RLIM_INFINITY)
        SKIP("the hard limit of address space is too low");
    for (int i = 0; i < 2; i++) {
        bool by_start = i == 1;
        clear_shared_memory();
        assert_int_equal(host_run(host_without_memory_for_the_result, &by_start), 42);
    }
}

/* ---- Calls ended by the caller --------------------------------------------------------------- */

/* Ends the call by its deadline or by a cancel, when child and grandchild run. */
static struct forkcall_report end_by_caller(bool cancel, struct forkcall_options options)
{
    const enum end how = BY_HANGING;
    struct forkcall_call *call;
    clear_shared_memory();
    options.timeout_ms = cancel ? 0 : short_timeout_ms();
    assert_int_equal(start_tested(&call, leaves_a_process, &how, sizeof how, NULL, &options), 0);
    assert_true(wait_until(is_set, &evidence()->child));
    if (cancel)
        assert_int_equal(forkcall_cancel(call), 0);
    return forkcall_finish(call);
}

static void grandchild_is_killed_on_timeout_and_cancel(void **state)
{
    (void)state;
    const struct traces before = traces_now();
    for (int cancel = 0; cancel < 2; cancel++)
        for (int grace_ms = 0; grace_ms <= 10000; grace_ms += 10000) {
            const struct forkcall_options options = {.grace_ms = grace_ms};
            const struct forkcall_report r = end_by_caller(cancel == 1, options);
            assert_status(r, cancel == 1 ? FORKCALL_CANCELED : FORKCALL_TIMED_OUT);
            int grandchild = evidence()->grandchild;
            assert_true(wait_until(process_is_gone, &grandchild));
            assert_false(process_lives(evidence()->child));
        }
    assert_no_traces(before, false);
}

static void share_group_kills_the_child_alone(void **state)
{
    const struct forkcall_options options = {.share_group = true};
    (void)state;
    const struct traces before = traces_now();
    struct forkcall_report r = end_by_caller(false, options);
    assert_status(r, FORKCALL_TIMED_OUT);
    assert_false(process_lives(evidence()->child));
    assert_true(grandchild_lives());
    assert_int_equal(getpgid(evidence()->grandchild), getpgrp());
    kill_grandchild();
    clear_shared_memory();
    r = run(BY_CRASH, options);
    assert_status(r, FORKCALL_SIGNALED);
    assert_true(grandchild_lives());
    kill_grandchild();
    assert_no_traces(before, false);
}

/* ---- Leaving the group ----------------------------------------------------------------------- */

static int starts_a_daemon(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const pid_t pid = fork();
    if (pid == 0) {
        if (setsid() < 0 || fork() != 0)
            _exit(0);
        stay();
    }
    if (pid < 0 || waitpid(pid, NULL, 0) != pid || !wait_until(is_set, &evidence()->grandchild))
        return -1;
    if (args_size > 0) /* leaves the daemon behind and crashes */
        abort();
    return child_answers_42(args, args_size, result);
}

static void daemon_of_the_function_is_not_followed(void **state)
{
    (void)state;
    struct forkcall_report r = run_tested(starts_a_daemon, NULL, 0, NULL, NULL);
    assert_status(r, FORKCALL_OK);
    assert_true(grandchild_lives());
    kill_grandchild();
    clear_shared_memory();
    r = run_tested(starts_a_daemon, "and crashes", 12, NULL, NULL);
    assert_status(r, FORKCALL_SIGNALED);
    assert_true(grandchild_lives());
    kill_grandchild();
}

static int moves_into_the_group_of(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    if (!start_grandchild() || setpgid(0, *(const pid_t *)args) != 0)
        return -1;
    evidence()->moved = 1;
    for (;;)
        pause();
}

static int host_whose_child_joins_its_group(void *unused)
{
    const struct forkcall_options options = {.timeout_ms = short_timeout_ms()};
    const pid_t group = getpgrp();
    struct forkcall_call *call;
    (void)unused;
    CHECK(warm_up());
    CHECK(start_tested(&call, moves_into_the_group_of, &group, sizeof group, NULL, &options) == 0);
    CHECK(wait_until(is_set, &evidence()->moved));
    const struct forkcall_report r = forkcall_finish(call);
    CHECK(r.status == FORKCALL_TIMED_OUT);
    CHECK(!process_lives(r.pid));
    int grandchild = evidence()->grandchild;
    /* The grandchild is in the group with which the call began. */
    CHECK(wait_until(process_is_gone, &grandchild));
    return 42;
}

static void child_that_moves_into_another_group_is_killed_and_that_group_is_not(void **state)
{
    (void)state;
    assert_int_equal(host_run(host_whose_child_joins_its_group, NULL), 42);
}

int main(void)
{
    forkcall_init();
#define TEST(name) cmocka_unit_test_setup(name, set_up_test)
    const struct CMUnitTest tests[] = {
        TEST(grandchild_that_keeps_the_descriptors_lives_on_after_an_answer),
        TEST(grandchild_that_keeps_captured_streams_is_not_waited_for),
        TEST(grandchild_is_killed_with_the_call_on_any_other_outcome),
        TEST(grandchild_is_killed_where_the_caller_has_no_memory_for_the_result),
        TEST(grandchild_is_killed_on_timeout_and_cancel),
        TEST(share_group_kills_the_child_alone),
        TEST(daemon_of_the_function_is_not_followed),
        TEST(child_that_moves_into_another_group_is_killed_and_that_group_is_not),
    };
    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
