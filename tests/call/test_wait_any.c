/* Tests forkcall_wait_any(): which call it tells, when it ends, and what it does for the others
 * meanwhile. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A call that ends when the test lets it go. */
struct held {
    struct forkcall_call *call;
    struct forkcall_buf result;
    int ends[2];
};

static int child_waits_for_a_byte(const void *args, size_t args_size, struct forkcall_buf *result)
{
    char byte;
    (void)args_size;
    const ssize_t n = read(*(const int *)args, &byte, 1);
    return n == 1 ? forkcall_buf_append(result, &byte, 1) : 1;
}

static bool hold(struct held *held, struct forkcall_options options)
{
    *held = (struct held){.result = FORKCALL_BUF_INIT};
    if (pipe(held->ends) != 0)
        return false;
    options.keep_fds = held->ends;
    options.keep_fds_count = 1;
    return start_tested(&held->call, child_waits_for_a_byte, held->ends, sizeof *held->ends, &held->result, &options) ==
           0;
}

static bool let_go(const struct held *held, char byte)
{
    return write(held->ends[1], &byte, 1) == 1;
}

static struct forkcall_report drop(struct held *held)
{
    const struct forkcall_report report = forkcall_finish(held->call);
    forkcall_buf_free(&held->result);
    close(held->ends[0]);
    close(held->ends[1]);
    return report;
}

/* ---- What is told ---------------------------------------------------------------------------- */

static void wrong_arguments_are_refused(void **state)
{
    (void)state;
    struct forkcall_call *none[3] = {NULL, NULL, NULL};
    struct forkcall_call *call;
    assert_int_equal(forkcall_wait_any(NULL, 1, 0), -EINVAL);
    assert_int_equal(forkcall_wait_any(NULL, 0, -1), -ECHILD);
    assert_int_equal(forkcall_wait_any(none, 0, -1), -ECHILD);
    assert_int_equal(forkcall_wait_any(none, 3, -1), -ECHILD);
    assert_int_equal(start_tested(&call, child_returns_0, NULL, 0, NULL, NULL), 0);
    assert_int_equal(forkcall_wait_any(&call, 1, -2), -EINVAL);
    assert_int_equal(forkcall_wait_any(&call, 1, INT_MIN), -EINVAL);
    assert_int_equal(forkcall_wait_any(&call, (size_t)INT_MAX + 1, 0), -EINVAL);
    assert_int_equal(forkcall_wait_any(&call, 1, INT_MAX), 0);
    const struct forkcall_report report = forkcall_finish(call);
    assert_status(report, FORKCALL_OK);
}

/* 12 calls need memory of the heap for the wait, 3 do not. */
static void the_one_that_ends_is_told_in_any_order(void **state)
{
    (void)state;
    enum { MANY = 12 };
    assert_true(warm_up());
    const struct traces before = traces_now();
    for (int count = 3; count <= MANY; count += MANY - 3) {
        struct held held[MANY];
        struct forkcall_call *calls[MANY + 1];
        calls[count] = NULL;
        for (int i = 0; i < count; i++) {
            assert_true(hold(&held[i], (struct forkcall_options){0}));
            calls[i] = held[i].call;
        }
        assert_int_equal(forkcall_wait_any(calls, (size_t)count + 1, 0), -ETIMEDOUT);
        for (int i = 0; i < count; i++) {
            const int next = (i * 5 + 1) % count; /* 5 divides no count: each once */
            assert_true(let_go(&held[next], (char)('a' + next)));
            assert_int_equal(forkcall_wait_any(calls, (size_t)count + 1, i % 2 == 0 ? -1 : PLENTY_MS), next);
            /* Told again, as long as it is there. */
            assert_int_equal(forkcall_wait_any(calls, (size_t)count + 1, 0), next);
            calls[next] = NULL;
            const struct forkcall_report report = forkcall_finish(held[next].call);
            assert_status(report, FORKCALL_OK);
            assert_int_equal(*(char *)held[next].result.data, 'a' + next);
            forkcall_buf_free(&held[next].result);
        }
        assert_int_equal(forkcall_wait_any(calls, (size_t)count + 1, -1), -ECHILD);
        for (int i = 0; i < count; i++) {
            close(held[i].ends[0]);
            close(held[i].ends[1]);
        }
    }
    assert_no_traces(before, false);
}

static void of_several_that_are_done_the_first_to_end_is_told(void **state)
{
    (void)state;
    static const int order[] = {2, 0, 1};
    struct held held[3];
    struct forkcall_call *calls[3];
    for (int i = 0; i < 3; i++) {
        assert_true(hold(&held[i], (struct forkcall_options){0}));
        calls[i] = held[i].call;
    }
    for (int i = 0; i < 3; i++) {
        assert_true(let_go(&held[order[i]], 'x'));
        assert_int_equal(forkcall_wait(calls[order[i]], -1), 1);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(forkcall_wait_any(calls, 3, -1), order[i]);
        calls[order[i]] = NULL;
        const struct forkcall_report report = drop(&held[order[i]]);
        assert_status(report, FORKCALL_OK);
    }
}

static void calls_that_ended_at_their_start_are_told_at_once(void **state)
{
    (void)state;
    const struct forkcall_options wrong = {.timeout_ms = -1};
    const struct forkcall_options here = {.method = FORKCALL_INLINE};
    struct held held;
    assert_true(hold(&held, (struct forkcall_options){0}));
    for (int i = 0; i < 2; i++) {
        struct forkcall_call *calls[2] = {held.call, NULL};
        assert_int_equal(start_tested(&calls[1], child_answers_42, NULL, 0, NULL, i == 0 ? &wrong : &here), 0);
        assert_int_equal(forkcall_wait_any(calls, 2, -1), 1);
        const struct forkcall_report report = forkcall_finish(calls[1]);
        assert_status(report, i == 0 ? FORKCALL_NOT_STARTED : FORKCALL_OK);
    }
    assert_true(let_go(&held, 'x'));
    assert_int_equal(forkcall_wait_any(&held.call, 1, -1), 0);
    const struct forkcall_report report = drop(&held);
    assert_status(report, FORKCALL_OK);
}

static void a_call_that_is_there_twice_is_told_once(void **state)
{
    (void)state;
    struct held held;
    assert_true(hold(&held, (struct forkcall_options){0}));
    struct forkcall_call *calls[2] = {held.call, held.call};
    assert_int_equal(forkcall_wait_any(calls, 2, 1), -ETIMEDOUT);
    assert_true(let_go(&held, 'x'));
    assert_int_equal(forkcall_wait_any(calls, 2, -1), 0);
    const struct forkcall_report report = drop(&held);
    assert_status(report, FORKCALL_OK);
}

/* ---- Time ------------------------------------------------------------------------------------ */

static int polls;

#ifdef SYS_ppoll
/* Stands in front of the C library's function, and counts. */
int poll(struct pollfd *fds, nfds_t nfds, int timeout)
{
    const struct timespec time = {.tv_sec = timeout / 1000, .tv_nsec = (long)(timeout % 1000) * 1000000};
    polls++;
    return ppoll(fds, nfds, timeout < 0 ? NULL : &time, NULL);
}
#endif

/* Where a child has no descriptor, it is looked at every few ms. */
static void waiting_ends_with_its_timeout_and_polls_seldom(void **state)
{
    (void)state;
    struct held held;
    assert_true(hold(&held, (struct forkcall_options){0}));
    const double start = now_s();
    polls = 0;
    assert_int_equal(forkcall_wait_any(&held.call, 1, 100), -ETIMEDOUT);
    assert_true(now_s() - start >= 0.1);
    assert_in_range(polls, 0, 200);
    assert_int_equal(forkcall_cancel(held.call), 0);
    assert_int_equal(forkcall_wait_any(&held.call, 1, -1), 0);
    const struct forkcall_report report = drop(&held);
    assert_status(report, FORKCALL_CANCELED);
}

/* A loop that always has a call that is done, such as one by INLINE, must not make a deadline wait
 * that nobody else looks at. */
static void deadline_of_a_call_acts_whatever_the_others_do(void **state)
{
    (void)state;
    const struct forkcall_options here = {.method = FORKCALL_INLINE};
    const struct forkcall_options limited = {.timeout_ms = 30};
    struct forkcall_call *calls[2] = {NULL, NULL};
    const double end = now_s() + DEADLINE_S;
    int told = 0;
    assert_int_equal(start_tested(&calls[1], child_hangs, NULL, 0, NULL, &limited), 0);
    while (told == 0 && now_s() < end) {
        assert_int_equal(start_tested(&calls[0], child_returns_0, NULL, 0, NULL, &here), 0);
        told = forkcall_wait_any(calls, 2, -1);
        if (told == 0)
            forkcall_finish(calls[0]);
    }
    assert_int_equal(told, 1);
    const struct forkcall_report report = forkcall_finish(calls[1]);
    assert_status(report, FORKCALL_TIMED_OUT);
    forkcall_finish(calls[0]);
}

static void the_earlier_of_two_deadlines_comes_first(void **state)
{
    (void)state;
    const struct forkcall_options late = {.timeout_ms = PLENTY_MS};
    const struct forkcall_options soon = {.timeout_ms = 20};
    struct forkcall_call *calls[2];
    assert_int_equal(start_tested(&calls[0], child_hangs, NULL, 0, NULL, &late), 0);
    assert_int_equal(start_tested(&calls[1], child_hangs, NULL, 0, NULL, &soon), 0);
    assert_int_equal(forkcall_wait_any(calls, 2, -1), 1);
    assert_int_equal(forkcall_cancel(calls[0]), 0);
    struct forkcall_report report = forkcall_finish(calls[1]);
    assert_status(report, FORKCALL_TIMED_OUT);
    report = forkcall_finish(calls[0]);
    assert_status(report, FORKCALL_CANCELED);
}

/* ---- Signals --------------------------------------------------------------------------------- */

static struct forkcall_call *volatile to_cancel;
static volatile sig_atomic_t signals_left;

static void handler(int signal)
{
    (void)signal;
    if (signals_left > 0 && --signals_left == 0)
        forkcall_cancel(to_cancel);
}

/* The handler has no SA_RESTART: each signal ends the system call that waits. */
static int host_gets_signals(void *unused)
{
    const struct itimerval every_ms = {.it_interval = {.tv_usec = 1000}, .it_value = {.tv_usec = 1000}};
    const struct itimerval none = {.it_value = {.tv_usec = 0}};
    struct sigaction action = {.sa_handler = handler};
    struct held held[2];
    (void)unused;
    CHECK(hold(&held[0], (struct forkcall_options){0}) && hold(&held[1], (struct forkcall_options){0}));
    struct forkcall_call *calls[2] = {held[0].call, held[1].call};
    to_cancel = calls[1];
    signals_left = 20;
    CHECK(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &every_ms, NULL) == 0);
    const int told = forkcall_wait_any(calls, 2, -1);
    CHECK(setitimer(ITIMER_REAL, &none, NULL) == 0);
    CHECK(told == 1 && signals_left == 0);
    CHECK(drop(&held[1]).status == FORKCALL_CANCELED);
    CHECK(let_go(&held[0], 'x') && drop(&held[0]).status == FORKCALL_OK);
    return 0;
}

static void signals_do_not_interrupt_and_their_handler_may_cancel(void **state)
{
    (void)state;
    assert_int_equal(host_run(host_gets_signals, NULL), 0);
}

/* ---- Callbacks ------------------------------------------------------------------------------- */

struct heard {
    int progress, output;
    struct forkcall_call **cancel; /* what the progress callback cancels; NULL: nothing */
};

static int hear_progress(void *user, double done, double total, const char *note)
{
    struct heard *heard = user;
    (void)done;
    (void)total;
    (void)note;
    heard->progress++;
    if (heard->cancel != NULL)
        forkcall_cancel(*heard->cancel);
    return 0;
}

static int hear_output(void *user, int fd, const char *data, size_t size)
{
    struct heard *heard = user;
    (void)data;
    heard->output += fd == STDOUT_FILENO ? (int)size : 0;
    return 0;
}

static int child_speaks_and_hangs(const void *args, size_t args_size, struct forkcall_buf *result)
{
    if (write(STDOUT_FILENO, "out", 3) != 3)
        return 1;
    forkcall_progress(1, 2, "one");
    return child_hangs(args, args_size, result);
}

static void others_are_heard_and_may_be_canceled_by_a_callback(void **state)
{
    (void)state;
    struct held held;
    struct heard heard = {.cancel = NULL};
    const struct forkcall_options speaks = {
        .standard_output = FORKCALL_STREAM_CAPTURE, .output = hear_output, .progress = hear_progress, .user = &heard};
    struct forkcall_call *calls[2];
    assert_true(hold(&held, (struct forkcall_options){0}));
    calls[1] = held.call;
    heard.cancel = &calls[1];
    assert_int_equal(start_tested(&calls[0], child_speaks_and_hangs, NULL, 0, NULL, &speaks), 0);
    assert_int_equal(forkcall_wait_any(calls, 2, -1), 1);
    assert_int_equal(heard.progress, 1);
    struct forkcall_report report = drop(&held);
    assert_status(report, FORKCALL_CANCELED);
    calls[1] = NULL;
    heard.cancel = NULL;
    for (const double end = now_s() + DEADLINE_S; heard.output < 3 && now_s() < end;)
        assert_int_equal(forkcall_wait_any(calls, 2, 5), -ETIMEDOUT);
    assert_int_equal(heard.output, 3);
    assert_int_equal(forkcall_cancel(calls[0]), 0);
    assert_int_equal(forkcall_wait_any(calls, 2, -1), 0);
    report = forkcall_finish(calls[0]);
    assert_status(report, FORKCALL_CANCELED);
}

/* ---- Descriptors ----------------------------------------------------------------------------- */

static void descriptor_of_every_call_that_is_done_is_readable(void **state)
{
    (void)state;
    struct held held[2];
    struct forkcall_call *calls[2];
    struct pollfd fds[2];
    for (int i = 0; i < 2; i++) {
        assert_true(hold(&held[i], (struct forkcall_options){0}));
        calls[i] = held[i].call;
        fds[i] = (struct pollfd){.fd = forkcall_fd(calls[i]), .events = POLLIN};
        assert_true(let_go(&held[i], 'x'));
    }
    for (bool done[2] = {false, false}; !done[0] || !done[1];) {
        const int told = forkcall_wait_any(calls, 2, -1);
        assert_in_range(told, 0, 1);
        done[told] = true;
        calls[told] = NULL;
        if (fds[told].fd != -ENOTSUP)
            assert_int_equal(poll(&fds[told], 1, 0), 1);
    }
    for (int i = 0; i < 2; i++) {
        const struct forkcall_report report = drop(&held[i]);
        assert_status(report, FORKCALL_OK);
    }
}

/* poll(2) and then select(2) serve descriptors, also where their number is above the limit. */
static int host_without_descriptors(void *unused)
{
    struct held held[3];
    struct forkcall_call *calls[3];
    const struct rlimit none = {.rlim_cur = 0, .rlim_max = 0};
    (void)unused;
    for (int i = 0; i < 3; i++) {
        CHECK(hold(&held[i], (struct forkcall_options){0}));
        calls[i] = held[i].call;
    }
    CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
    CHECK(forkcall_wait_any(calls, 3, 2) == -ETIMEDOUT);
    for (int i = 2; i >= 0; i--) {
        CHECK(let_go(&held[i], 'x'));
        CHECK(forkcall_wait_any(calls, 3, -1) == i);
        calls[i] = NULL;
        CHECK(drop(&held[i]).status == FORKCALL_OK);
    }
    return 0;
}

static void no_descriptor_is_needed(void **state)
{
    (void)state;
    if (under_valgrind() || under_emulator())
        SKIP("the tool needs descriptors of its own");
    assert_int_equal(host_run(host_without_descriptors, NULL), 0);
}

/* What the host has opened by the numbers of a call's descriptors is silent. */
#define BEYOND_SELECT 1030

static int host_lowers_its_limit(void *unused)
{
    struct rlimit limit;
    struct held held[4];
    int ends[2], byte = 1;
    (void)unused;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur <= BEYOND_SELECT)
        return NOT_HERE;
    CHECK(pipe(ends) == 0 && dup2(ends[0], BEYOND_SELECT) == BEYOND_SELECT);
    for (int i = 0; i < 4; i++)
        CHECK(hold(&held[i], (struct forkcall_options){.cancel_fd_plus_one = BEYOND_SELECT + 1,
                                                       .allow_unsafe_fork = under_sanitizer()}));
    /* Fewer than all the calls have together, so poll(2) fails with EINVAL. */
    limit.rlim_cur = 4;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0 && write(ends[1], &byte, 1) == 1);
    for (int i = 0; i < 4; i++) {
        struct forkcall_call *calls[4];
        for (int k = 0; k < 4; k++)
            calls[k] = held[k].call;
        const int done = forkcall_wait_any(calls, 4, DEADLINE_S * 1000);
        CHECK(done >= 0 && done < 4);
        CHECK(drop(&held[done]).status == FORKCALL_CANCELED);
        held[done].call = NULL;
    }
    return 0;
}

static void canceling_descriptors_are_seen_though_poll_fails(void **state)
{
    (void)state;
    const int status = host_run(host_lowers_its_limit, NULL);
    if (status == NOT_HERE)
        SKIP("so many descriptors are not allowed here");
    assert_int_equal(status, 0);
}

static int host_closes_all(void *unused)
{
    struct held held[2];
    int silent[2];
    (void)unused;
    CHECK(hold(&held[0], (struct forkcall_options){0}) && hold(&held[1], (struct forkcall_options){0}));
    struct forkcall_call *calls[2] = {held[0].call, held[1].call};
    CHECK(pipe(silent) == 0);
    for (int fd = 3; fd < 200; fd++)
        if (fd != silent[0] && fd != silent[1])
            close(fd);
    for (int fd = 3; fd < 200; fd++)
        if (fd != silent[0] && fd != silent[1])
            CHECK(dup2(silent[0], fd) == fd);
    for (int i = 0; i < 2; i++) {
        const int told = forkcall_wait_any(calls, 2, -1);
        CHECK(told == 0 || told == 1);
        calls[told] = NULL;
        const struct forkcall_report report = forkcall_finish(held[told].call);
        CHECK(report.status == FORKCALL_LOST || report.status == FORKCALL_FAILED);
        forkcall_buf_free(&held[told].result);
    }
    return 0;
}

static void calls_whose_descriptors_the_host_has_closed_end(void **state)
{
    (void)state;
    if (under_valgrind())
        SKIP("the tool's own descriptors would be closed");
    assert_int_equal(host_run(host_closes_all, NULL), 0);
}

/* ---- Other processes, and memory ------------------------------------------------------------- */

static int host_forks(void *unused)
{
    struct held held;
    int status = -1;
    (void)unused;
    CHECK(hold(&held, (struct forkcall_options){0}));
    struct forkcall_call *calls[2] = {NULL, held.call};
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        _exit(forkcall_wait_any(calls, 2, -1) == -EPERM ? 0 : 1);
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(let_go(&held, 'x') && forkcall_wait_any(calls, 2, -1) == 1);
    CHECK(drop(&held).status == FORKCALL_OK);
    return 0;
}

static void calls_of_another_process_are_refused(void **state)
{
    (void)state;
    assert_int_equal(host_run(host_forks, NULL), 0);
}

static int host_without_memory(void *unused)
{
    enum { MANY = 1 << 22 };
    static struct forkcall_call *calls[MANY];
    struct rlimit before;
    struct held held;
    (void)unused;
    CHECK(hold(&held, (struct forkcall_options){0}) && getrlimit(RLIMIT_AS, &before) == 0);
    calls[MANY - 1] = held.call;
    const struct rlimit little = {.rlim_cur = 1 << 20, .rlim_max = before.rlim_max};
    CHECK(setrlimit(RLIMIT_AS, &little) == 0);
    CHECK(forkcall_wait_any(calls, MANY, -1) == -ENOMEM);
    CHECK(setrlimit(RLIMIT_AS, &before) == 0); /* the result needs memory, too */
    CHECK(let_go(&held, 'x') && forkcall_wait_any(&held.call, 1, -1) == 0);
    CHECK(drop(&held).status == FORKCALL_OK);
    return 0;
}

static void want_of_memory_is_told_and_changes_nothing(void **state)
{
    (void)state;
    if (under_sanitizer() || under_valgrind() || under_emulator())
        SKIP("the limit would bind the tool");
    assert_int_equal(host_run(host_without_memory, NULL), 0);
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_arguments_are_refused),
        cmocka_unit_test(the_one_that_ends_is_told_in_any_order),
        cmocka_unit_test(of_several_that_are_done_the_first_to_end_is_told),
        cmocka_unit_test(calls_that_ended_at_their_start_are_told_at_once),
        cmocka_unit_test(a_call_that_is_there_twice_is_told_once),
        cmocka_unit_test(waiting_ends_with_its_timeout_and_polls_seldom),
        cmocka_unit_test(deadline_of_a_call_acts_whatever_the_others_do),
        cmocka_unit_test(the_earlier_of_two_deadlines_comes_first),
        cmocka_unit_test(signals_do_not_interrupt_and_their_handler_may_cancel),
        cmocka_unit_test(others_are_heard_and_may_be_canceled_by_a_callback),
        cmocka_unit_test(descriptor_of_every_call_that_is_done_is_readable),
        cmocka_unit_test(no_descriptor_is_needed),
        cmocka_unit_test(canceling_descriptors_are_seen_though_poll_fails),
        cmocka_unit_test(calls_whose_descriptors_the_host_has_closed_end),
        cmocka_unit_test(calls_of_another_process_are_refused),
        cmocka_unit_test(want_of_memory_is_told_and_changes_nothing),
    };
    return cmocka_run_group_tests_name("wait_any", tests, NULL, NULL);
}
