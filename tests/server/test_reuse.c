/* Tests options.reuse_child: calls share a child, and a call in a child that has served others is
 * like any call. */
#include "reused_child.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void calls_that_allow_it_share_a_child_one_after_another(void **state)
{
    (void)state;
    NEED_KEPT_CHILDREN;
    for (int i = 1; i <= 20; i++)
        assert_int_equal(count_calls(&reuse), i);
}

static void a_call_without_it_has_a_fresh_child_and_no_other_gets_that_child(void **state)
{
    (void)state;
    NEED_KEPT_CHILDREN;
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(count_calls(&reuse), i);
        assert_int_equal(count_calls(&fresh), 1);
    }
}

static void *returns_at_once(void *unused)
{
    return unused;
}

static int tidies_up(const void *args, size_t args_size, struct forkcall_buf *result)
{
    sigset_t set;
    (void)args;
    (void)args_size;
    const int fd = open("/dev/null", O_RDWR);
    const pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    pthread_t thread;
    if (pthread_create(&thread, NULL, returns_at_once, NULL) != 0 || pthread_join(thread, NULL) != 0)
        return 2;
    if (fd < 0 || close(fd) < 0 || pid < 0 || waitpid(pid, NULL, 0) != pid)
        return 1;
    return forkcall_buf_append(result, "tidy", 4);
}

static void a_function_that_tidies_up_leaves_its_child_fit(void **state)
{
    (void)state;
    NEED_KEPT_CHILDREN;
    const pid_t pid = call_reusing(tidies_up);
    assert_int_equal(call_reusing(tidies_up), pid);
    assert_int_equal(call_reusing(child_returns_0), pid);
}

static int fails_with_words(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    forkcall_buf_append(result, "no", 2);
    return forkcall_fail(*(const int *)args, "call %d", *(const int *)args);
}

static void a_failure_leaves_the_child_fit_and_no_words_to_the_next_call(void **state)
{
    (void)state;
    NEED_KEPT_CHILDREN;
    const pid_t pid = call_reusing(child_returns_0);
    for (int i = 1; i < 4; i++) {
        char text[32];
        snprintf(text, sizeof text, "call %d", i);
        const struct forkcall_report report = run_settled(fails_with_words, &i, sizeof i, NULL, &reuse);
        assert_status(report, FORKCALL_FAILED);
        assert_int_equal(report.code, i);
        assert_string_equal(report.message, text);
        assert_int_equal(report.pid, pid);
        const struct forkcall_report silent = run_settled(child_fails_7, NULL, 0, NULL, &reuse);
        assert_status(silent, FORKCALL_FAILED);
        assert_null(strstr(silent.message, "call"));
        assert_int_equal(silent.pid, pid);
    }
}

static void note_handler(void)
{
    ++*(int *)shared_memory();
}

/* Registered by main: no child may run it. */
static void handler_of_the_program(void)
{
    if (forkcall_in_child())
        *(int *)shared_memory() += 1000;
}

static int registers_a_handler(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    return atexit(note_handler);
}

static void exit_handlers_of_each_call_run_once_at_its_return(void **state)
{
    (void)state;
    NEED_KEPT_CHILDREN;
    const pid_t pid = call_reusing(child_returns_0);
    for (int i = 1; i <= 5; i++) {
        assert_int_equal(call_reusing(registers_a_handler), pid);
        assert_int_equal(*(int *)shared_memory(), i);
    }
    assert_int_equal(call_reusing(child_returns_0), pid);
    assert_int_equal(*(int *)shared_memory(), 5);
}

/* args: how large a result. */
static int fills(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const size_t size = *(const size_t *)args;
    (void)args_size;
    char *data = forkcall_buf_extend(result, size);
    if (data == NULL)
        return 1;
    memset(data, 'x', size);
    return 0;
}

static void results_of_every_size_are_whole(void **state)
{
    static const size_t sizes[] = {0, 1, 200, 1024, 1025, 100000, 131072, 131073, 5000000, 3, 0};
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const struct forkcall_report report = run_settled(fills, &sizes[i], sizeof sizes[i], &result, &reuse);
        assert_status(report, FORKCALL_OK);
        assert_int_equal(result.size, sizes[i]);
        for (size_t at = 0; at < result.size; at += 997)
            assert_int_equal(((char *)result.data)[at], 'x');
    }
    forkcall_buf_free(&result);
}

static void a_result_of_128_KiB_leaves_the_child_fit(void **state)
{
    static const size_t size = 131072;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    (void)state;
    NEED_KEPT_CHILDREN;
    const pid_t pid = run_settled(fills, &size, sizeof size, &result, &reuse).pid;
    assert_int_equal(run_settled(fills, &size, sizeof size, &result, &reuse).pid, pid);
    assert_int_equal(result.size, size);
    forkcall_buf_free(&result);
}

static int burns(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct rusage now, then;
    (void)args;
    (void)args_size;
    (void)result;
    getrusage(RUSAGE_SELF, &then);
    do
        getrusage(RUSAGE_SELF, &now);
    while ((now.ru_utime.tv_sec - then.ru_utime.tv_sec + now.ru_stime.tv_sec - then.ru_stime.tv_sec) * 1000000 +
               now.ru_utime.tv_usec - then.ru_utime.tv_usec + now.ru_stime.tv_usec - then.ru_stime.tv_usec <
           60000);
    return 0;
}

static void the_usage_of_a_call_is_its_own(void **state)
{
    (void)state;
    NEED_KEPT_CHILDREN;
    const struct forkcall_report long_one = run_settled(burns, NULL, 0, NULL, &reuse);
    const struct forkcall_report short_one = run_settled(child_returns_0, NULL, 0, NULL, &reuse);
    assert_int_equal(long_one.pid, short_one.pid);
    assert_true(long_one.usage_known && short_one.usage_known);
    assert_true(long_one.user_ns + long_one.system_ns >= 50000000);
    assert_true(short_one.user_ns + short_one.system_ns < 50000000);
    assert_true(short_one.max_rss_bytes >= long_one.max_rss_bytes);
}

enum end { BY_THROW, BY_EXIT, BY__EXIT, BY_CRASH, BY_KILL, BY_THREAD_EXIT, TOO_BIG, END_COUNT };

static int ends(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    switch ((enum end) * (const int *)args) {
    case BY_THROW:
        forkcall_throw(3, "thrown");
    case BY_EXIT:
        exit(4);
    case BY__EXIT:
        _exit(5);
    case BY_CRASH:
        abort();
    case BY_KILL:
        raise(SIGKILL);
        break;
    case BY_THREAD_EXIT:
        pthread_exit(NULL);
    case TOO_BIG:
        return forkcall_buf_append(result, "12345", 5);
    case END_COUNT:
        break;
    }
    return 0;
}
static void other_ends_than_a_return_end_the_child_and_are_told_as_ever(void **state)
{
    static const struct {
        enum forkcall_status status;
        int code;
    } wanted[END_COUNT] = {
        {FORKCALL_FAILED, 3},         {FORKCALL_EXITED, 4}, {FORKCALL_EXITED, 5},      {FORKCALL_SIGNALED, SIGABRT},
        {FORKCALL_SIGNALED, SIGKILL}, {FORKCALL_EXITED, 0}, {FORKCALL_TOO_BIG, EFBIG},
    };
    struct forkcall_options options = reuse;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    (void)state;
    NEED_KEPT_CHILDREN;
    options.max_result = 4;
    for (int end = 0; end < END_COUNT; end++) {
        const pid_t pid = call_reusing(child_returns_0);
        const struct forkcall_report report = run_settled(ends, &end, sizeof end, &result, &options);
        assert_status(report, wanted[end].status);
        assert_int_equal(report.code, wanted[end].code);
        assert_int_equal(report.pid, pid);
        assert_int_equal(report.ran, FORKCALL_RAN_YES);
        if (end == BY_CRASH)
            assert_true(report.crash.signal == SIGABRT && report.crash.frame_count > 0);
        assert_int_not_equal(call_reusing(child_returns_0), pid);
    }
    forkcall_buf_free(&result);
}

static void a_call_that_was_timed_out_or_canceled_ends_its_child(void **state)
{
    struct forkcall_options options = reuse;
    int canceled[2];
    (void)state;
    NEED_KEPT_CHILDREN;
    const pid_t pid = call_reusing(child_returns_0);
    options.timeout_ms = short_timeout_ms();
    const struct forkcall_report late = run_settled(child_hangs, NULL, 0, NULL, &options);
    assert_status(late, FORKCALL_TIMED_OUT);
    assert_int_equal(late.pid, pid);
    const pid_t next = call_reusing(child_returns_0);
    assert_int_not_equal(next, pid);
    assert_int_equal(pipe(canceled), 0);
    assert_int_equal(write(canceled[1], "c", 1), 1);
    options = reuse;
    options.cancel_fd_plus_one = canceled[0] + 1;
    const struct forkcall_report stopped = run_settled(child_hangs, NULL, 0, NULL, &options);
    assert_status(stopped, FORKCALL_CANCELED);
    assert_int_not_equal(call_reusing(child_returns_0), next);
    close(canceled[0]);
    close(canceled[1]);
}

static int ignore_output(void *user, int stream, const char *data, size_t size)
{
    (void)user;
    (void)stream;
    (void)data;
    (void)size;
    return 0;
}

static void what_the_options_give_a_child_is_given_to_no_other_call(void **state)
{
    static char many[40000];
    const int kept_fd = 2;
    struct forkcall_options options[7];
    struct forkcall_buf shared = forkcall_buf_shared(100000);
    (void)state;
    NEED_KEPT_CHILDREN;
    for (int i = 0; i < 7; i++)
        options[i] = reuse;
    options[0].limits.open_files = 100;
    options[1].standard_input = FORKCALL_STREAM_NULL;
    options[2].standard_output = FORKCALL_STREAM_CAPTURE;
    options[2].output = ignore_output;
    options[3].share_group = true;
    options[4].keep_fds = &kept_fd;
    options[4].keep_fds_count = 1;
    for (int i = 0; i < 7; i++) {
        const pid_t pid = call_reusing(child_returns_0);
        const struct forkcall_report report =
            run_settled(child_returns_0, many, i == 5 ? sizeof many : 0, i == 6 ? &shared : NULL, &options[i]);
        assert_status(report, FORKCALL_OK);
        assert_int_not_equal(report.pid, pid);
        assert_int_equal(call_reusing(child_returns_0), pid);
    }
    forkcall_buf_free(&shared);
}

/* ---- Bounds ---------------------------------------------------------------------------------- */

static void a_child_serves_no_more_calls_than_calls_per_child(void **state)
{
    const struct forkcall_server_options options = {.calls_per_child = 3};
    (void)state;
    NEED_KEPT_CHILDREN;
    assert_int_equal(forkcall_server_stop(), 0);
    assert_int_equal(forkcall_server_start(&options), 0);
    for (int i = 0; i < 9; i++)
        assert_int_equal(count_calls(&reuse), i % 3 + 1);
}

static int keeps_memory(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const size_t size = *(const size_t *)args;
    (void)args_size;
    (void)result;
    char *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
        return 1;
    memset(data, 1, size);
    return 0;
}

static void a_child_that_has_grown_by_more_than_child_memory_bytes_is_ended(void **state)
{
    const struct forkcall_server_options options = {.child_memory_bytes = 32 << 20};
    const size_t some = 12 << 20;
    (void)state;
    NEED_KEPT_CHILDREN;
    assert_int_equal(forkcall_server_stop(), 0);
    assert_int_equal(forkcall_server_start(&options), 0);
    const pid_t pid = call_reusing(child_returns_0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(run_settled(keeps_memory, &some, sizeof some, NULL, &reuse).pid, pid);
    assert_int_not_equal(call_reusing(child_returns_0), pid);
}

/* ---- Threads --------------------------------------------------------------------------------- */

#define THREADS 8
#define CALLS 50

/* Each call finds the shared counter of its process at 0, or two calls share a child at one
 * time. */
static int is_alone(const void *args, size_t args_size, struct forkcall_buf *result)
{
    static atomic_int inside;
    const int calls = atomic_fetch_add(&inside, 1);
    (void)args_size;
    sched_yield();
    const int r = forkcall_buf_append(result, args, sizeof(int));
    atomic_fetch_sub(&inside, 1);
    return calls == 0 ? r : 99;
}

static void *call_and_call(void *wrong)
{
    for (int i = 0; i < CALLS; i++) {
        int answer = -1;
        struct forkcall_buf result = forkcall_buf_fixed(&answer, sizeof answer);
        const int number = i + 1000 * (int)((uintptr_t)&answer % 7919);
        const struct forkcall_report report = forkcall_run(is_alone, &number, sizeof number, &result, &reuse);
        if (report.status != FORKCALL_OK || answer != number || report.ran != FORKCALL_RAN_YES)
            atomic_fetch_add((atomic_int *)wrong, 1);
    }
    return NULL;
}

static void threads_that_call_at_once_get_their_own_answers(void **state)
{
    pthread_t thread[THREADS];
    atomic_int wrong = 0;
    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, call_and_call, &wrong), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(wrong, 0);
}

/* ---- Other children, maps and methods -------------------------------------------------------- */

static void other_methods_make_a_fresh_child(void **state)
{
    static const enum forkcall_method methods[] = {FORKCALL_FORK, FORKCALL_SPAWN};
    (void)state;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        struct forkcall_options options = reuse;
        options.method = methods[i];
        options.allow_unsafe_fork = true;
        for (int k = 0; k < 2; k++)
            assert_int_equal(count_calls(&options), 1);
    }
}

static void children_that_are_execed_are_used_again_too(void **state)
{
    const struct forkcall_server_options options = {.exec_spares = true};
    (void)state;
    NEED_KEPT_CHILDREN;
    assert_int_equal(forkcall_server_stop(), 0);
    assert_int_equal(forkcall_server_start(&options), 0);
    for (int i = 1; i <= 5; i++)
        assert_int_equal(count_calls(&reuse), i);
}

static void a_map_whose_calls_allow_it_gives_each_item_its_result(void **state)
{
    int number[20];
    struct forkcall_buf results[20];
    struct forkcall_report reports[20];
    struct forkcall_map_options options = {.call = reuse, .processes = 3};
    (void)state;
    memset(results, 0, sizeof results);
    for (int i = 0; i < 20; i++)
        number[i] = i;
    const struct forkcall_report report =
        forkcall_map(child_echoes, number, sizeof *number, 20, results, reports, &options);
    assert_status(report, FORKCALL_OK);
    for (int i = 0; i < 20; i++) {
        assert_status(reports[i], FORKCALL_OK);
        assert_int_equal(*(int *)results[i].data, i);
        forkcall_buf_free(&results[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REUSE_TEST(calls_that_allow_it_share_a_child_one_after_another),
        REUSE_TEST(a_call_without_it_has_a_fresh_child_and_no_other_gets_that_child),
        REUSE_TEST(a_function_that_tidies_up_leaves_its_child_fit),
        REUSE_TEST(a_failure_leaves_the_child_fit_and_no_words_to_the_next_call),
        REUSE_TEST(exit_handlers_of_each_call_run_once_at_its_return),
        REUSE_TEST(results_of_every_size_are_whole),
        REUSE_TEST(a_result_of_128_KiB_leaves_the_child_fit),
        REUSE_TEST(the_usage_of_a_call_is_its_own),
        REUSE_TEST(other_ends_than_a_return_end_the_child_and_are_told_as_ever),
        REUSE_TEST(a_call_that_was_timed_out_or_canceled_ends_its_child),
        REUSE_TEST(what_the_options_give_a_child_is_given_to_no_other_call),
        REUSE_TEST(a_child_serves_no_more_calls_than_calls_per_child),
        REUSE_TEST(a_child_that_has_grown_by_more_than_child_memory_bytes_is_ended),
        REUSE_TEST(threads_that_call_at_once_get_their_own_answers),
        REUSE_TEST(children_that_are_execed_are_used_again_too),
        REUSE_TEST(a_map_whose_calls_allow_it_gives_each_item_its_result),
        REUSE_TEST(other_methods_make_a_fresh_child),
    };
    atexit(handler_of_the_program);
    forkcall_init();
    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
