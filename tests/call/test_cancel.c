/* Tests canceling a call: by forkcall_cancel(), by a callback, and by a descriptor. */
#include "support.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void assert_canceled(const struct forkcall_report *report)
{
    assert_status(*report, FORKCALL_CANCELED);
    assert_string_not_equal(report->message, "");
    /* A call by SERVER may be canceled before it has a child. */
    if (report->method == FORKCALL_SERVER && report->pid == 0)
        assert_int_equal(report->ran, FORKCALL_RAN_NO);
    else
        assert_true(report->wait_status != -1 && WIFSIGNALED(report->wait_status));
}

static struct forkcall_call *start(forkcall_fn *fn, const struct forkcall_options *options)
{
    struct forkcall_options with = {.timeout_ms = 0};
    struct forkcall_call *call;
    if (options != NULL)
        with = *options;
    with.allow_unsafe_fork = under_sanitizer(); /* ThreadSanitizer has a thread of its own. */
    assert_int_equal(start_tested(&call, fn, NULL, 0, NULL, &with), 0);
    return call;
}

static void canceled_before_and_while_it_is_waited_for(void **state)
{
    (void)state;
    assert_true(warm_up());
    const struct traces before = traces_now();
    for (int i = 0; i < 4; i++) {
        struct forkcall_call *call = start(child_hangs, NULL);
        if (i > 0)
            assert_int_equal(forkcall_wait(call, 5), 0);
        assert_int_equal(forkcall_cancel(call), 0);
        if (i > 1)
            assert_int_equal(forkcall_cancel(call), 0); /* a second cancel */
        if (i > 2)
            assert_int_equal(forkcall_wait(call, -1), 1);
        /* A cancel after the end of the call does no harm. */
        assert_int_equal(forkcall_cancel(call), 0);
        const struct forkcall_report report = forkcall_finish(call);
        assert_canceled(&report);
        assert_int_equal(WTERMSIG(report.wait_status), SIGKILL);
    }
    assert_no_traces(before, false);
}

static void canceled_when_it_is_done(void **state)
{
    (void)state;
    struct forkcall_call *call = start(child_fails_7, NULL);
    assert_int_equal(forkcall_wait(call, -1), 1);
    assert_int_equal(forkcall_cancel(call), 0);
    assert_int_equal(forkcall_wait(call, 0), 1);
    const struct forkcall_report report = forkcall_finish(call);
    assert_status(report, FORKCALL_FAILED);
}

static void *cancel_later(void *call)
{
    /* The cancel most likely comes during the wait. The test also passes if it does not. */
    usleep(20000);
    forkcall_cancel(call);
    return NULL;
}

static void canceled_by_another_thread_while_one_waits(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        pthread_t thread;
        struct forkcall_call *call = start(child_hangs, NULL);
        assert_int_equal(pthread_create(&thread, NULL, cancel_later, call), 0);
        assert_int_equal(forkcall_wait(call, -1), 1);
        assert_int_equal(pthread_join(thread, NULL), 0);
        const struct forkcall_report report = forkcall_finish(call);
        assert_canceled(&report);
    }
}

/* ---- Grace ----------------------------------------------------------------------------------- */

static int stream; /* in the child: writing end of a pipe to the test */
static volatile sig_atomic_t is_asked_to_end;

static void catch_SIGTERM(int signal)
{
    (void)signal;
    const ssize_t n = write(stream, "t", 1);
    (void)n;
    is_asked_to_end = 1;
}

static int child_cleans_up(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    stream = *(const int *)args;
    signal(SIGTERM, catch_SIGTERM);
    forkcall_progress(1, 1, "ready");
    while (!is_asked_to_end) /* pause() would not see a signal that comes before it. */
        usleep(1000);
    return forkcall_buf_append(result, "clean", 5);
}

static int child_is_stubborn(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    stream = *(const int *)args;
    signal(SIGTERM, catch_SIGTERM);
    forkcall_progress(1, 1, "ready");
    for (;;)
        pause();
    return 0;
}

static int child_exits_at_SIGTERM(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    forkcall_progress(1, 1, "ready");
    for (;;)
        pause();
    return 0;
}

static int note_ready(void *user, double done, double total, const char *note)
{
    (void)done;
    (void)total;
    (void)note;
    *(bool *)user = true;
    return 0;
}

/* end: the child's end of a pipe. */
static struct forkcall_report cancel_with_grace(forkcall_fn *fn, int end, int grace_ms, struct forkcall_buf *result)
{
    bool ready = false;
    const struct forkcall_options options = {.grace_ms = grace_ms,
                                             .progress = note_ready,
                                             .user = &ready,
                                             .keep_fds = &end,
                                             .keep_fds_count = 1,
                                             .allow_unsafe_fork = under_sanitizer()};
    struct forkcall_call *call;
    assert_int_equal(start_tested(&call, fn, &end, sizeof end, result, &options), 0);
    while (!ready)
        assert_int_equal(forkcall_wait(call, 100), 0);
    assert_int_equal(forkcall_cancel(call), 0);
    return forkcall_finish(call);
}

static void grace_to_answer_clean_up_or_be_killed(void **state)
{
    (void)state;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    int ends[2];
    char byte;
    assert_int_equal(pipe(ends), 0);
    struct forkcall_report report = cancel_with_grace(child_cleans_up, ends[1], 20000, &result);
    assert_status(report, FORKCALL_OK); /* The function has answered within the grace. */
    assert_int_equal(result.size, 5);
    assert_int_equal(read(ends[0], &byte, 1), 1);

    report = cancel_with_grace(child_exits_at_SIGTERM, ends[1], 20000, &result);
    assert_canceled(&report);
    assert_int_equal(WTERMSIG(report.wait_status), SIGTERM);
    assert_int_equal(result.size, 0);

    report = cancel_with_grace(child_is_stubborn, ends[1], 30, &result);
    assert_canceled(&report);
    assert_int_equal(WTERMSIG(report.wait_status), SIGKILL);
    assert_int_equal(read(ends[0], &byte, 1), 1); /* SIGTERM came before SIGKILL. */
    forkcall_buf_free(&result);
    close(ends[0]);
    close(ends[1]);
}

/* ---- From callbacks -------------------------------------------------------------------------- */

static int child_talks_for_ever(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    for (;;) {
        forkcall_progress(1, 0, "and on");
        if (write(STDOUT_FILENO, "and on", 6) != 6)
            return 1;
    }
}

struct caller {
    struct forkcall_call *call;
    int count;
    bool by_return;
};

static int decide(struct caller *caller)
{
    caller->count++;
    if (caller->by_return)
        return -1;
    return forkcall_cancel(caller->call);
}

static int cancel_at_progress(void *user, double done, double total, const char *note)
{
    (void)done;
    (void)total;
    (void)note;
    return decide(user);
}

static int cancel_at_output(void *user, int fd, const char *data, size_t size)
{
    (void)fd;
    (void)data;
    (void)size;
    return decide(user);
}

static void canceled_from_the_callbacks(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct caller caller = {.by_return = i % 2 == 0};
        struct forkcall_options options = {.standard_output = FORKCALL_STREAM_NULL, .user = &caller};
        if (i < 2) {
            options.progress = cancel_at_progress;
        } else {
            options.standard_output = FORKCALL_STREAM_CAPTURE;
            options.output = cancel_at_output;
        }
        caller.call = start(child_talks_for_ever, &options);
        const struct forkcall_report report = forkcall_finish(caller.call);
        assert_canceled(&report);
        if (caller.by_return)
            /* After a callback has returned non-zero, no callback is called. */
            assert_int_equal(caller.count, 1);
        else
            assert_true(caller.count >= 1);
    }
}

/* ---- By a descriptor ------------------------------------------------------------------------- */

static struct forkcall_report run_until(int fd)
{
    const struct forkcall_options options = {.cancel_fd_plus_one = fd + 1, .timeout_ms = DEADLINE_S * 1000};
    return forkcall_finish(start(child_hangs, &options));
}

static void cancel_fd_of_every_kind(void **state)
{
    (void)state;
    int ends[2];
    char byte = 0;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    struct forkcall_report report = run_until(ends[0]);
    assert_canceled(&report);
    /* The call only polls cancel_fd and does not read from it. */
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(ends[1]);
    report = run_until(ends[0]); /* end of file */
    assert_canceled(&report);
    close(ends[0]);
    FILE *file = tmpfile(); /* a regular file is always readable */
    assert_non_null(file);
    report = run_until(fileno(file));
    assert_canceled(&report);
    fclose(file);
}

static void *write_later(void *fd)
{
    /* The write most likely comes during the wait. The test also passes if it does not. */
    usleep(20000);
    const ssize_t n = write(*(int *)fd, "x", 1);
    return n == 1 ? fd : NULL;
}

static int late_cancel_host(void *as_input)
{
    pthread_t thread;
    void *written = NULL;
    int ends[2];
    CHECK(pipe(ends) == 0);
    if (as_input != NULL)
        CHECK(dup2(ends[0], STDIN_FILENO) == STDIN_FILENO && close(ends[0]) == 0 && (ends[0] = STDIN_FILENO) == 0);
    const struct forkcall_options options = {
        .cancel_fd_plus_one = ends[0] + 1, .timeout_ms = PLENTY_MS, .allow_unsafe_fork = true};
    CHECK(pthread_create(&thread, NULL, write_later, &ends[1]) == 0);
    const struct forkcall_report report = run_tested(child_hangs, NULL, 0, NULL, &options);
    CHECK(pthread_join(thread, &written) == 0 && written != NULL);
    CHECK(report.status == FORKCALL_CANCELED);
    return 0;
}

static void cancel_fd_that_becomes_readable_later(void **state)
{
    (void)state;
    assert_int_equal(host_run(late_cancel_host, NULL), 0);
}

static void cancel_fd_0_that_becomes_readable_later(void **state)
{
    int as_input = 1;
    (void)state;
    assert_int_equal(host_run(late_cancel_host, &as_input), 0);
}

static void cancel_fd_that_nobody_writes_to(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    const struct forkcall_options options = {.cancel_fd_plus_one = ends[0] + 1};
    const struct forkcall_report report = forkcall_finish(start(child_fails_7, &options));
    assert_status(report, FORKCALL_FAILED);
    close(ends[0]);
    close(ends[1]);
}

static void cancel_fd_in_an_event_loop(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        FILE *file = tmpfile();
        int ends[2];
        assert_non_null(file);
        assert_int_equal(pipe(ends), 0);
        const struct forkcall_options options = {.cancel_fd_plus_one = (kind == 0 ? ends[0] : fileno(file)) + 1};
        struct forkcall_call *call = start(child_hangs, &options);
        const int fd = forkcall_fd(call);
        assert_true(fd >= 0 || fd == -ENOTSUP);
        assert_int_equal(write(ends[1], "x", 1), 1);
        if (fd < 0)
            assert_int_equal(forkcall_wait(call, -1), 1);
        do {
            struct pollfd p = {.fd = fd, .events = POLLIN};
            assert_true(fd < 0 || poll(&p, 1, DEADLINE_S * 1000) == 1);
        } while (forkcall_wait(call, 0) == 0);
        const struct forkcall_report report = forkcall_finish(call);
        assert_canceled(&report);
        close(ends[0]);
        close(ends[1]);
        fclose(file);
    }
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canceled_before_and_while_it_is_waited_for),
        cmocka_unit_test(canceled_when_it_is_done),
        cmocka_unit_test(canceled_by_another_thread_while_one_waits),
        cmocka_unit_test(grace_to_answer_clean_up_or_be_killed),
        cmocka_unit_test(canceled_from_the_callbacks),
        cmocka_unit_test(cancel_fd_of_every_kind),
        cmocka_unit_test(cancel_fd_that_becomes_readable_later),
        cmocka_unit_test(cancel_fd_0_that_becomes_readable_later),
        cmocka_unit_test(cancel_fd_that_nobody_writes_to),
        cmocka_unit_test(cancel_fd_in_an_event_loop),
    };
    return cmocka_run_group_tests_name("cancel", tests, NULL, NULL);
}
