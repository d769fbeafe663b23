/* Tests forkcall_start(), forkcall_wait(), forkcall_cancel(), forkcall_finish() and forkcall_fd(),
 * in every order. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined SYS_timerfd_settime && defined __LP64__
#include <sys/timerfd.h>
#endif

/* Waits for a byte from the test before it answers, so the test decides when the function ends. */
static int child_waits_for_a_byte(const void *args, size_t args_size, struct forkcall_buf *result)
{
    char byte;
    (void)args_size;
    const ssize_t n = read(*(const int *)args, &byte, 1);
    return n == 1 ? forkcall_buf_append(result, "answer", 6) : 1;
}

static void make_pipe(int ends[2])
{
    assert_int_equal(pipe(ends), 0);
}

static void close_pipe(const int ends[2])
{
    close(ends[0]);
    close(ends[1]);
}

static void let_go(const int ends[2])
{
    assert_int_equal(write(ends[1], "x", 1), 1);
}

static bool is_readable(int fd, int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, timeout_ms) == 1;
}

static bool no_descriptor(void)
{
    struct forkcall_call *call;
    assert_int_equal(start_tested(&call, child_returns_0, NULL, 0, NULL, NULL), 0);
    const int fd = forkcall_fd(call);
    forkcall_finish(call);
    assert_true(fd >= 0 || fd == -ENOTSUP);
    return fd < 0;
}

/* True: the call's descriptor stays unreadable. Also true under these tools, which have no
 * descriptors for processes: there the call wakes its event loop again and again to look for its
 * child. */
static bool is_quiet(int fd, int timeout_ms)
{
    return under_valgrind() || under_emulator() || !is_readable(fd, timeout_ms);
}

/* fd: the function's argument, a descriptor; NULL: none. */
static void start(struct forkcall_call **call, forkcall_fn *fn, const int *fd, struct forkcall_buf *result,
                  const struct forkcall_options *options)
{
    struct forkcall_options with = {.keep_fds = fd, .keep_fds_count = fd != NULL};
    if (options != NULL) {
        with = *options;
        with.keep_fds = fd;
        with.keep_fds_count = fd != NULL;
    }
    assert_int_equal(start_tested(call, fn, fd, fd == NULL ? 0 : sizeof *fd, result, &with), 0);
}

/* Runs a call like an event loop: forkcall_wait(call, 0) is called only when the descriptor is
 * readable. Returns how often that was. */
static int run_loop(struct forkcall_call *call)
{
    int turns = 0;
    do {
        turns++;
        assert_true(is_readable(forkcall_fd(call), DEADLINE_S * 1000));
    } while (forkcall_wait(call, 0) == 0);
    return turns;
}

static void NULL_handles(void **state)
{
    (void)state;
    struct forkcall_call *call;
    assert_int_equal(start_tested(NULL, child_returns_0, NULL, 0, NULL, NULL), -EINVAL);
    assert_int_equal(forkcall_fd(NULL), -EINVAL);
    assert_int_equal(forkcall_wait(NULL, 0), -EINVAL);
    assert_int_equal(forkcall_cancel(NULL), -EINVAL);
    const struct forkcall_report report = forkcall_finish(NULL);
    assert_status(report, FORKCALL_NOT_STARTED);
    assert_int_equal(report.code, EINVAL);
    assert_int_equal(report.ran, FORKCALL_RAN_NO);
    assert_string_not_equal(report.message, "");
    start(&call, child_returns_0, NULL, NULL, NULL);
    assert_int_equal(forkcall_wait(call, -2), -EINVAL);
    assert_int_equal(forkcall_wait(call, INT32_MIN), -EINVAL);
    forkcall_finish(call);
}

#if defined SYS_timerfd_settime && defined __LP64__
/* Replaces the C library's function by one whose timers expire late, as those of an emulated
 * machine do. What is already finished must be reported at once all the same. */
int timerfd_settime(int fd, int flags, const struct itimerspec *utmr, struct itimerspec *otmr)
{
    struct itimerspec late = *utmr;
    const bool armed = utmr->it_value.tv_sec != 0 || utmr->it_value.tv_nsec != 0;
    if (armed && (flags & TFD_TIMER_ABSTIME) != 0) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        now.tv_nsec = now.tv_nsec < 990000000 ? now.tv_nsec + 10000000 : 999999999;
        if (late.it_value.tv_sec < now.tv_sec ||
            (late.it_value.tv_sec == now.tv_sec && late.it_value.tv_nsec < now.tv_nsec))
            late.it_value = now;
    }
    return (int)syscall(SYS_timerfd_settime, fd, flags, &late, otmr);
}
#endif

static void every_way_to_the_end(void **state)
{
    (void)state;
    assert_true(warm_up());
    const struct traces before = traces_now();
    for (int way = 0; way < 5; way++) {
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        struct forkcall_call *call;
        int ends[2];
        make_pipe(ends);
        start(&call, child_waits_for_a_byte, &ends[0], &result, NULL);
        if (way > 0)
            assert_int_equal(forkcall_wait(call, 0), 0);
        if (way > 1)
            assert_int_equal(forkcall_wait(call, 1), 0);
        let_go(ends);
        if (way == 3)
            assert_int_equal(forkcall_wait(call, -1), 1);
        if (way == 4)
            assert_int_equal(forkcall_wait(call, DEADLINE_S * 1000), 1);
        if (way > 2)
            for (int i = -1; i < 2; i++)
                assert_int_equal(forkcall_wait(call, i), 1);
        assert_int_equal(result.size, 0); /* Only forkcall_finish() fills the result. */
        const struct forkcall_report report = forkcall_finish(call);
        assert_status(report, FORKCALL_OK);
        assert_int_equal(result.size, 6);
        forkcall_buf_free(&result);
        close_pipe(ends);
    }
    assert_no_traces(before, false);
}

static void result_and_details_are_untouched_until_finish(void **state)
{
    (void)state;
    char storage[8] = "before";
    struct forkcall_buf result = forkcall_buf_fixed(storage, sizeof storage);
    struct forkcall_buf details = FORKCALL_BUF_INIT;
    struct forkcall_options options = {.details = &details};
    struct forkcall_call *call;
    const struct forkcall_buf result_before = result;
    assert_int_equal(forkcall_buf_append(&details, "old", 3), 0);
    const struct forkcall_buf details_before = details;
    int ends[2];
    make_pipe(ends);
    start(&call, child_waits_for_a_byte, &ends[0], &result, &options);
    memset(&options, 0xa5, sizeof options); /* The caller may reuse the options at once. */
    const int reader = ends[0];
    ends[0] = -1; /* The caller may reuse the arguments at once. */
    let_go(ends);
    ends[0] = reader;
    assert_int_equal(forkcall_wait(call, -1), 1);
    assert_memory_equal(&result, &result_before, sizeof result);
    assert_memory_equal(&details, &details_before, sizeof details);
    assert_string_equal(storage, "before");
    const struct forkcall_report report = forkcall_finish(call);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(result.size, 6);
    assert_memory_equal(storage, "answer", 6);
    assert_int_equal(details.size, 0);
    forkcall_buf_free(&details);
    close_pipe(ends);
}

/* ---- The descriptor -------------------------------------------------------------------------- */

static void descriptor_is_readable_when_there_is_something_to_do(void **state)
{
    (void)state;
    struct forkcall_call *call;
    int ends[2];
    if (no_descriptor())
        SKIP("there is no descriptor on this system");
    make_pipe(ends);
    start(&call, child_waits_for_a_byte, &ends[0], NULL, NULL);
    const int fd = forkcall_fd(call);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(forkcall_fd(call), fd);
        assert_true(is_quiet(fd, 0));
        assert_int_equal(forkcall_wait(call, 0), 0);
    }
    assert_true(is_quiet(fd, 50));
    let_go(ends);
    run_loop(call);
    /* The descriptor of a finished call stays readable. */
    for (int i = 0; i < 3; i++) {
        assert_true(is_readable(fd, 0));
        assert_int_equal(forkcall_fd(call), fd);
        assert_int_equal(forkcall_wait(call, 0), 1);
    }
    const struct forkcall_report report = forkcall_finish(call);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    close_pipe(ends);
}

static void descriptor_asked_for_only_when_all_is_done(void **state)
{
    (void)state;
    static const enum forkcall_method methods[] = {FORKCALL_AUTO, FORKCALL_INLINE};
    if (no_descriptor())
        SKIP("there is no descriptor on this system");
    for (int i = 0; i < 2; i++) {
        const struct forkcall_options options = {.method = methods[i], .timeout_ms = 3000000};
        struct forkcall_call *call;
        start(&call, child_returns_0, NULL, NULL, &options);
        assert_int_equal(forkcall_wait(call, -1), 1);
        assert_true(is_readable(forkcall_fd(call), 0));
        assert_true(is_readable(forkcall_fd(call), 0));
        const struct forkcall_report report = forkcall_finish(call);
        assert_status(report, FORKCALL_OK);
    }
}

static void start_with_bad_options_and_all_that_follows(void **state)
{
    (void)state;
    const struct forkcall_options options = {.timeout_ms = -1};
    const bool none = no_descriptor();
    assert_true(warm_up());
    const struct traces before = traces_now();
    for (int with_fd = 0; with_fd < 2; with_fd++) {
        struct forkcall_call *call;
        start(&call, child_returns_0, NULL, NULL, &options);
        if (with_fd && !none) {
            const int fd = forkcall_fd(call);
            assert_true(is_readable(fd, 0));
            assert_int_equal(forkcall_fd(call), fd);
        }
        assert_int_equal(forkcall_wait(call, -1), 1);
        assert_int_equal(forkcall_cancel(call), 0);
        assert_int_equal(forkcall_wait(call, 0), 1);
        const struct forkcall_report report = forkcall_finish(call);
        assert_status(report, FORKCALL_NOT_STARTED);
    }
    assert_no_traces(before, false);
}

static void deadline_acts_though_wait_is_only_called_when_readable(void **state)
{
    (void)state;
    const struct forkcall_options options = {.timeout_ms = 40};
    struct forkcall_call *call;
    if (no_descriptor())
        SKIP("there is no descriptor on this system");
    start(&call, child_hangs, NULL, NULL, &options);
    const int turns = run_loop(call);
    const struct forkcall_report report = forkcall_finish(call);
    assert_status(report, FORKCALL_TIMED_OUT);
    /* The descriptor must not be readable all the time. */
    assert_true(turns < 20 || under_valgrind() || under_emulator());
}

static int child_ignores_SIGTERM(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    signal(SIGTERM, SIG_IGN);
    forkcall_progress(1, 1, NULL);
    for (;;)
        pause();
    return 0;
}

static int count_progress(void *user, double done, double total, const char *note)
{
    (void)done;
    (void)total;
    (void)note;
    ++*(int *)user;
    return 0;
}

static void both_deadlines_of_a_grace_in_an_event_loop(void **state)
{
    (void)state;
    int heard = 0;
    const struct forkcall_options options = {
        .timeout_ms = 300, .grace_ms = 30, .progress = count_progress, .user = &heard};
    struct forkcall_call *call;
    if (no_descriptor())
        SKIP("there is no descriptor on this system");
    start(&call, child_ignores_SIGTERM, NULL, NULL, &options);
    const int turns = run_loop(call);
    const struct forkcall_report report = forkcall_finish(call);
    assert_status(report, FORKCALL_TIMED_OUT);
    assert_true(turns < 20 || under_valgrind() || under_emulator());
}

static int child_reports_and_writes(const void *args, size_t args_size, struct forkcall_buf *result)
{
    char byte;
    (void)args_size;
    const int fd = *(const int *)args;
    forkcall_progress(1, 2, "one");
    if (read(fd, &byte, 1) != 1 || write(STDOUT_FILENO, "out", 3) != 3 || read(fd, &byte, 1) != 1)
        return 1;
    return forkcall_buf_append(result, "done", 4);
}

struct events {
    int progress, output;
};

static int event_progress(void *user, double done, double total, const char *note)
{
    struct events *events = user;
    (void)done;
    (void)total;
    (void)note;
    events->progress++;
    return 0;
}

static int event_output(void *user, int fd, const char *data, size_t size)
{
    struct events *events = user;
    (void)data;
    events->output += fd == STDOUT_FILENO && size == 3;
    return 0;
}

static void descriptor_tells_of_progress_and_output(void **state)
{
    (void)state;
    struct events events = {0, 0};
    const struct forkcall_options options = {.standard_output = FORKCALL_STREAM_CAPTURE,
                                             .output = event_output,
                                             .progress = event_progress,
                                             .user = &events};
    struct forkcall_call *call;
    int ends[2];
    if (no_descriptor())
        SKIP("there is no descriptor on this system");
    make_pipe(ends);
    start(&call, child_reports_and_writes, &ends[0], NULL, &options);
    const int fd = forkcall_fd(call);
    assert_true(is_readable(fd, DEADLINE_S * 1000));
    assert_int_equal(events.progress, 0); /* Only forkcall_wait() delivers progress. */
    assert_int_equal(forkcall_wait(call, 0), 0);
    assert_int_equal(events.progress, 1);
    assert_true(is_quiet(fd, 20));
    let_go(ends);
    assert_true(is_readable(fd, DEADLINE_S * 1000));
    assert_int_equal(events.output, 0);
    assert_int_equal(forkcall_wait(call, 0), 0);
    assert_int_equal(events.output, 1);
    assert_true(is_quiet(fd, 20));
    let_go(ends);
    run_loop(call);
    const struct forkcall_report report = forkcall_finish(call);
    assert_status(report, FORKCALL_OK);
    close_pipe(ends);
}

#define MANY 64

static int child_answers_by_number(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    const int number = *(const int *)args;
    if (number % 8 == 3)
        return number;
    if (number % 8 == 5)
        raise(SIGKILL);
    if (number % 8 == 6)
        for (;;)
            pause();
    return forkcall_buf_append(result, args, sizeof number);
}

static void finish_and_check(struct forkcall_call *call, int number, struct forkcall_buf *result)
{
    const struct forkcall_report report = forkcall_finish(call);
    const enum forkcall_status wanted[] = {FORKCALL_OK, FORKCALL_OK,       FORKCALL_OK,        FORKCALL_FAILED,
                                           FORKCALL_OK, FORKCALL_SIGNALED, FORKCALL_TIMED_OUT, FORKCALL_OK};
    assert_status(report, wanted[number % 8]);
    if (report.status == FORKCALL_OK)
        assert_int_equal(*(int *)result->data, number);
    forkcall_buf_free(result);
}

static void many_calls_under_one_poll(void **state)
{
    (void)state;
    static struct forkcall_call *calls[MANY];
    static struct forkcall_buf results[MANY];
    static struct pollfd fds[MANY];
    int open = MANY;
    const bool none = no_descriptor();
    assert_true(warm_up());
    const struct traces before = traces_now();
    for (int i = 0; i < MANY; i++) {
        const struct forkcall_options options = {.timeout_ms = i % 8 == 6 ? 100 : 0};
        assert_int_equal(start_tested(&calls[i], child_answers_by_number, &i, sizeof i, &results[i], &options), 0);
        fds[i] = (struct pollfd){.fd = none ? -1 : forkcall_fd(calls[i]), .events = POLLIN};
        assert_true(none || fds[i].fd >= 0);
    }
    while (open > 0) {
        const int ready = poll(fds, MANY, none ? 10 : DEADLINE_S * 1000);
        assert_true(none || ready > 0);
        for (int i = 0; i < MANY; i++) {
            if (calls[i] == NULL || (!none && fds[i].revents == 0) || forkcall_wait(calls[i], 0) == 0)
                continue;
            finish_and_check(calls[i], i, &results[i]);
            calls[i] = NULL;
            fds[i].fd = -1;
            open--;
        }
    }
    assert_no_traces(before, false);
}

static int unfinished_host(void *unused)
{
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    struct forkcall_call *call;
    int ends[2];
    (void)unused;
    CHECK(pipe(ends) == 0);
    const struct forkcall_options options = {.keep_fds = ends, .keep_fds_count = 1};
    CHECK(start_tested(&call, child_waits_for_a_byte, &ends[0], sizeof *ends, &result, &options) == 0);
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK(forkcall_wait(call, 0) == -EPERM);
        CHECK(forkcall_cancel(call) == -EPERM);
        CHECK(forkcall_fd(call) == -EPERM);
        const struct forkcall_report report = forkcall_finish(call);
        CHECK(report.elapsed_ns > 0);
        CHECK(report.status == FORKCALL_LOST && report.ran == FORKCALL_RAN_UNKNOWN && report.message[0] != '\0');
        _exit(0);
    }
    int status = -1;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    /* The call in the other process has not disturbed this one. */
    CHECK(forkcall_wait(call, 0) == 0);
    CHECK(write(ends[1], "x", 1) == 1);
    const struct forkcall_report report = forkcall_finish(call);
    CHECK(report.status == FORKCALL_OK && result.size == 6);
    forkcall_buf_free(&result);
    return 0;
}

static void call_in_the_hands_of_another_process(void **state)
{
    (void)state;
    assert_int_equal(host_run(unfinished_host, NULL), 0);
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(NULL_handles),
        cmocka_unit_test(every_way_to_the_end),
        cmocka_unit_test(result_and_details_are_untouched_until_finish),
        cmocka_unit_test(descriptor_is_readable_when_there_is_something_to_do),
        cmocka_unit_test(descriptor_asked_for_only_when_all_is_done),
        cmocka_unit_test(start_with_bad_options_and_all_that_follows),
        cmocka_unit_test(deadline_acts_though_wait_is_only_called_when_readable),
        cmocka_unit_test(both_deadlines_of_a_grace_in_an_event_loop),
        cmocka_unit_test(descriptor_tells_of_progress_and_output),
        cmocka_unit_test(many_calls_under_one_poll),
        cmocka_unit_test(call_in_the_hands_of_another_process),
    };
    return cmocka_run_group_tests_name("async", tests, NULL, NULL);
}
