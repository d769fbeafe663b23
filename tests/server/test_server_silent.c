/* Tests a server that is suspended or hangs: how it ends, and how the calls end that wait for
 * it. */
#include "servers.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifdef SANITIZED
#define CAN_INTERPOSE false
#else
#define CAN_INTERPOSE true
#endif

/* Seconds that clock_gettime() adds to the time in this process. */
static atomic_int leap_s;

#ifndef SANITIZED
static int (*real_clock_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void find_clock_gettime(void)
{
    *(void **)&real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
}

// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): the C library's names are reserved
int clock_gettime(clockid_t clock, struct timespec *time)
{
    const int r = real_clock_gettime(clock, time);
    if (r == 0)
        time->tv_sec += atomic_load(&leap_s);
    return r;
}
#endif

/* In the server: poll() hangs once the control socket, which the server waits for beside two other
 * descriptors, has reached its end. */
static bool hangs_in_the_end;

/* In the server: poll() takes as long as there is a file of this path. */
static char hold_path[80];

#ifndef SANITIZED
static int (*real_poll)(struct pollfd *, nfds_t, int);

__attribute__((constructor)) static void find_poll(void)
{
    *(void **)&real_poll = dlsym(RTLD_NEXT, "poll");
}

// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): the C library's names are reserved
int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    char byte;
    const int r = real_poll(fds, count, timeout);
    for (int ms = 0; ms < DEADLINE_S * 1000 && hold_path[0] != '\0' && access(hold_path, F_OK) == 0; ms++)
        usleep(1000);
    if (hangs_in_the_end && count == 3 && r > 0 && fds[0].revents != 0 &&
        recv(fds[0].fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
        for (;;)
            pause();
    return r;
}
#endif

/* ---- A server that does not answer ----------------------------------------------------------- */

static bool is_stopped(void *pid)
{
    return state_of(*(pid_t *)pid) == 'T';
}

static bool is_zombie(void *pid)
{
    return state_of(*(pid_t *)pid) == 'Z';
}

static int call_beside_a_stopped_server(void *unused)
{
    struct waiter waiter;
    struct forkcall_report report;
    (void)unused;
    int server = server_pid();
    CHECK(server > 0 && waiter_begin(&waiter) == 0);
    CHECK(kill(server, SIGSTOP) == 0 && wait_until(is_stopped, &server));
    /* Calls until another server serves. Calls that find a spare of the old server are OK. Another
     * server may need longer than a hasty call waits, so each call waits longer than the last. */
    struct forkcall_options hasty = {.method = FORKCALL_SERVER, .timeout_ms = 200};
    struct who who = {.parent = server};
    for (; who.parent == server && hasty.timeout_ms < DEADLINE_S * 1000; hasty.timeout_ms += 200) {
        struct forkcall_buf result = forkcall_buf_fixed(&who, sizeof who);
        report = forkcall_run(child_tells_who, NULL, 0, &result, &hasty);
        CHECK(report.status == FORKCALL_OK || report.status == FORKCALL_TIMED_OUT);
        if (report.status != FORKCALL_OK)
            who.parent = server;
    }
    CHECK(who.parent != server);
    CHECK(process_lives(server) && forkcall_wait(waiter.call, 0) == 0);
    CHECK(write(waiter.go[1], "g", 1) == 1);
    report = forkcall_finish(waiter.call);
    CHECK(ended(&report, FORKCALL_OK, FORKCALL_RAN_YES));
    CHECK(wait_until(process_is_gone, &server)); /* the server has no call any more */
    return 0;
}

static void stopped_server_keeps_its_calls_and_gets_no_others(void **state)
{
    (void)state;
    assert_int_equal(host_run(call_beside_a_stopped_server, NULL), 0);
}

/* Makes a call that must ask the server, and that ends before the server can answer. */
static int call_in_vain(pid_t server)
{
    const int kept = dup(STDERR_FILENO);
    const struct forkcall_options options = {
        .method = FORKCALL_SERVER, .timeout_ms = 30, .keep_fds = &kept, .keep_fds_count = 1};
    int pid = server;
    CHECK(kept > STDERR_FILENO && kill(server, SIGSTOP) == 0 && wait_until(is_stopped, &pid));
    const struct forkcall_report report = forkcall_run(child_returns_0, NULL, 0, NULL, &options);
    close(kept);
    CHECK(ended(&report, FORKCALL_TIMED_OUT, FORKCALL_RAN_NO));
    CHECK(kill(server, SIGCONT) == 0);
    return 0;
}

static int wait_for_nobody_between(void *unused)
{
    (void)unused;
    const pid_t server = server_pid();
    CHECK(server > 0);
    for (int i = 0; i < 4; i++) {
        CHECK(call_in_vain(server) == 0);
        atomic_fetch_add(&leap_s, 60);
    }
    CHECK(server_pid() == server);
    return 0;
}

static void time_in_which_nobody_waits_does_not_count_against_a_server(void **state)
{
    (void)state;
    if (!CAN_INTERPOSE)
        SKIP("the tool interposes the same function");
    assert_int_equal(host_run(wait_for_nobody_between, NULL), 0);
}

/* ---- The end of a stopped server ------------------------------------------------------------- */

/* Starts a server, and stops it by a signal. Returns its pid, and those of its spares. */
static int start_and_suspend(const struct forkcall_server_options *options, int *server, pid_t spares[2])
{
    CHECK(forkcall_server_stop() == 0 && forkcall_server_start(options) == 0);
    *server = server_pid();
    CHECK(*server > 0 && spares_are(*server, 2) && children_of(*server, spares, 2) == 2);
    CHECK(kill(*server, SIGSTOP) == 0 && wait_until(is_stopped, server));
    return 0;
}

static int end_suspended(const struct forkcall_server_options *options)
{
    pid_t spares[2];
    int server;
    CHECK(server_pid() > 0 && forkcall_server_stop() == 0);
    const struct traces before = traces_now();
    for (int i = 0; i < 2; i++) {
        CHECK(start_and_suspend(options, &server, spares) == 0);
        CHECK(forkcall_server_stop() == 0);
        CHECK(wait_until(process_is_gone, &server) && all_gone(spares, 2));
        CHECK(children_of(getpid(), NULL, 0) == 0);
        CHECK(traces_now().descriptors == before.descriptors);
    }
    return 0;
}

static int end_suspended_server(void *unused)
{
    (void)unused;
    return end_suspended(NULL);
}

static void server_that_is_suspended_ends_when_it_is_stopped(void **state)
{
    (void)state;
    assert_int_equal(host_run(end_suspended_server, NULL), 0);
}

static int prepare_to_hang(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    hangs_in_the_end = true;
    return 0;
}

static int end_hung_server(void *unused)
{
    const struct forkcall_server_options options = {.prepare = prepare_to_hang};
    (void)unused;
    return end_suspended(&options);
}

static void server_that_hangs_is_killed_when_it_is_stopped(void **state)
{
    (void)state;
    if (!CAN_INTERPOSE)
        SKIP("the tool interposes the same function");
    assert_int_equal(host_run(end_hung_server, NULL), 0);
}

static int end_suspended_after_call(void *unused)
{
    struct waiter waiter;
    (void)unused;
    int server = server_pid();
    CHECK(server > 0 && waiter_begin(&waiter) == 0);
    CHECK(kill(server, SIGSTOP) == 0 && wait_until(is_stopped, &server));
    CHECK(forkcall_server_stop() == 0 && process_lives(server));
    CHECK(write(waiter.go[1], "g", 1) == 1);
    const struct forkcall_report report = forkcall_finish(waiter.call);
    CHECK(ended(&report, FORKCALL_OK, FORKCALL_RAN_YES));
    CHECK(wait_until(process_is_gone, &server));
    return 0;
}

static void suspended_server_that_was_stopped_ends_with_its_last_call(void **state)
{
    (void)state;
    assert_int_equal(host_run(end_suspended_after_call, NULL), 0);
}

/* ---- How a child ended ----------------------------------------------------------------------- */

static int end_child(struct waiter *waiter)
{
    CHECK(write(waiter->go[1], "x", 1) == 1 && wait_until(is_zombie, &waiter->child));
    /* Only the server can tell how the child ended. */
    CHECK(forkcall_wait(waiter->call, 0) == 0);
    return 0;
}

static int wait_for_nothing(void *unused)
{
    struct waiter waiter;
    (void)unused;
    int server = server_pid();
    CHECK(server > 0 && waiter_begin(&waiter) == 0);
    CHECK(kill(server, SIGSTOP) == 0 && wait_until(is_stopped, &server));
    CHECK(end_child(&waiter) == 0);
    CHECK(kill(server, SIGCONT) == 0);
    const struct forkcall_report report = forkcall_finish(waiter.call);
    CHECK(ended(&report, FORKCALL_EXITED, FORKCALL_RAN_YES) && report.code == 3);
    return 0;
}

static void wait_with_0_does_not_wait_for_a_stopped_server(void **state)
{
    (void)state;
    assert_int_equal(host_run(wait_for_nothing, NULL), 0);
}

static int prepare_to_be_held(const void *path, size_t size, struct forkcall_buf *result)
{
    (void)result;
    memcpy(hold_path, path, size);
    return 0;
}

/* Ends a child of a server that is held, and lets seconds pass. */
static int end_beside_held_server(struct waiter *waiter, const char *path, int seconds)
{
    CHECK(waiter_begin(waiter) == 0);
    CHECK(close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)) == 0);
    CHECK(end_child(waiter) == 0);
    atomic_fetch_add(&leap_s, seconds);
    return 0;
}

/* True: the host sees the end of a server's child, though not how it has ended. */
static bool host_sees_ends(void)
{
#if defined SYS_pidfd_open && !defined TEST_PORTABLE
    const long fd = syscall(SYS_pidfd_open, getpid(), 0);
    return fd >= 0 && close((int)fd) == 0;
#else
    return false;
#endif
}

static int let_seconds_pass(void *path)
{
    const struct forkcall_server_options options = {
        .prepare = prepare_to_be_held, .prepare_args = path, .prepare_args_size = strlen(path) + 1};
    struct waiter waiter;
    CHECK(forkcall_server_start(&options) == 0);
    CHECK(end_beside_held_server(&waiter, path, 3) == 0);
    CHECK(forkcall_wait(waiter.call, 0) == 0);
    CHECK(unlink(path) == 0);
    struct forkcall_report report = forkcall_finish(waiter.call);
    CHECK(ended(&report, FORKCALL_EXITED, FORKCALL_RAN_YES) && report.code == 3);

    if (!host_sees_ends())
        return 0;
    CHECK(end_beside_held_server(&waiter, path, 11) == 0);
    CHECK(forkcall_wait(waiter.call, 0) == 1);
    report = forkcall_finish(waiter.call);
    CHECK(ended(&report, FORKCALL_LOST, FORKCALL_RAN_YES));
    CHECK(unlink(path) == 0);

    /* Nobody knows when a stopped server goes on. */
    int server = server_pid();
    CHECK(server > 0 && waiter_begin(&waiter) == 0);
    CHECK(kill(server, SIGSTOP) == 0 && wait_until(is_stopped, &server));
    CHECK(end_child(&waiter) == 0);
    atomic_fetch_add(&leap_s, 2);
    CHECK(forkcall_wait(waiter.call, 0) == 1);
    report = forkcall_finish(waiter.call);
    CHECK(ended(&report, FORKCALL_LOST, FORKCALL_RAN_YES));
    CHECK(kill(server, SIGCONT) == 0);
    return 0;
}

static void server_that_takes_seconds_to_tell_is_waited_for(void **state)
{
    (void)state;
    if (!CAN_INTERPOSE)
        SKIP("the tool interposes the same function");
    char folder[64], path[80];
    assert_true(directory_make(folder));
    (void)snprintf(path, sizeof path, "%s/hold", folder);
    assert_int_equal(host_run(let_seconds_pass, path), 0);
    directory_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stopped_server_keeps_its_calls_and_gets_no_others),
        cmocka_unit_test(time_in_which_nobody_waits_does_not_count_against_a_server),
        cmocka_unit_test(server_that_is_suspended_ends_when_it_is_stopped),
        cmocka_unit_test(server_that_hangs_is_killed_when_it_is_stopped),
        cmocka_unit_test(suspended_server_that_was_stopped_ends_with_its_last_call),
        cmocka_unit_test(wait_with_0_does_not_wait_for_a_stopped_server),
        cmocka_unit_test(server_that_takes_seconds_to_tell_is_waited_for),
    };
    forkcall_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
