/* Tests servers and spares that are killed, stopped or crash: every call still has a definite
 * outcome, its ran is true, and the next call is OK. */
#include "servers.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define MANY 32

/* ---- Calls whose function is known to run ---------------------------------------------------- */

struct running {
    struct forkcall_call *call;
    int ends[2]; /* the function writes a byte */
};

static bool start_running(struct running *running, int timeout_ms)
{
    char byte;
    if (pipe(running->ends) < 0)
        return false;
    const struct forkcall_options options = {
        .method = FORKCALL_SERVER, .timeout_ms = timeout_ms, .keep_fds = &running->ends[1], .keep_fds_count = 1};
    return forkcall_start(&running->call, child_writes_and_hangs, &running->ends[1], sizeof(int), NULL, &options) ==
               0 &&
           read(running->ends[0], &byte, 1) == 1;
}

static struct forkcall_report finish_running(struct running *running)
{
    close(running->ends[0]);
    close(running->ends[1]);
    return forkcall_finish(running->call);
}

/* ---- Killed ---------------------------------------------------------------------------------- */

/* The kernel kills the children together with the server; possibly no process learns how they
 * ended. */
static bool ended_by_kill(const struct forkcall_report *report)
{
    if (report->status == FORKCALL_SIGNALED && report->code == SIGKILL && report->ran == FORKCALL_RAN_YES)
        return true;
    return ended(report, FORKCALL_LOST, FORKCALL_RAN_YES);
}

static int end_server_in_a_call(void *context)
{
    const int signal = *(const int *)context;
    struct running running;
    int server = server_pid();
    CHECK(server > 0);
    CHECK(start_running(&running, PLENTY_MS));
    CHECK(kill(server, signal) == 0);
    const struct forkcall_report report = finish_running(&running);
    int pid = report.pid;
    CHECK(ended_by_kill(&report) && report.message[0] != '\0');
    CHECK(wait_until(process_is_gone, &pid));
    const pid_t next = server_pid();
    CHECK(next > 0 && next != server);
    return 0;
}

static void server_killed_in_a_call(void **state)
{
    int signal = SIGKILL;
    (void)state;
#ifdef TEST_PORTABLE
    SKIP("children do not die with the server here");
#endif
    assert_int_equal(host_run(end_server_in_a_call, &signal), 0);
}

static void server_that_crashes_in_a_call(void **state)
{
    int signal = SIGSEGV;
    (void)state;
#ifdef TEST_PORTABLE
    SKIP("children do not die with the server here");
#endif
    assert_int_equal(host_run(end_server_in_a_call, &signal), 0);
}

/* Makes a call whose server or child may die at any moment. */
static bool is_definite(void)
{
    const struct forkcall_options options = {.method = FORKCALL_SERVER, .timeout_ms = PLENTY_MS};
    const struct forkcall_report report = forkcall_run(child_returns_0, NULL, 0, NULL, &options);
    if (report.status == FORKCALL_OK)
        return true;
    return report.message[0] != '\0' &&
           (report.status == FORKCALL_LOST || (report.status == FORKCALL_SIGNALED && report.code != 0) ||
            ended(&report, FORKCALL_OK, FORKCALL_RAN_YES));
}

#ifdef TEST_PORTABLE
/* Makes more calls in a row than the killed server can have left spares, which may still serve. */
static bool is_served(void *unused)
{
    (void)unused;
    for (int i = 0; i < 4; i++)
        if (server_pid() <= 0)
            return false;
    return true;
}
#endif

static int end_server_between_calls(void *context)
{
    const int signal = *(const int *)context;
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    for (int i = 0; i < 3; i++) {
        int server = server_pid();
        CHECK(server > 0);
        CHECK(kill(server, signal) == 0);
        if (i == 2)
            CHECK(is_definite()); /* the server may still be dying */
        CHECK(wait_until(process_is_gone, &server));
#ifdef TEST_PORTABLE
        CHECK(wait_until(is_served, NULL)); /* a new spare may still hold the socket */
#endif
        const pid_t next = server_pid();
        CHECK(next > 0 && next != server);
    }
    return 0;
}

static void server_killed_between_calls(void **state)
{
    int signal = SIGKILL;
    (void)state;
    assert_int_equal(host_run(end_server_between_calls, &signal), 0);
}

static void server_that_crashes_between_calls(void **state)
{
    int signal = SIGSEGV;
    (void)state;
    assert_int_equal(host_run(end_server_between_calls, &signal), 0);
}

/* args: a kept descriptor and a number, which is written to it. */
static int child_writes_its_number(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int *a = args;
    const unsigned char number = (unsigned char)a[1];
    (void)args_size;
    (void)result;
    return write(a[0], &number, 1) == 1 ? 0 : errno;
}

/* Kills a server while calls are handed over to its children: every function that has written its
 * number has run. */
static int kill_server_under_many(void *context)
{
    (void)context;
    for (int round = 0; round < 8; round++) {
        struct forkcall_call *calls[MANY];
        bool wrote[MANY] = {false};
        int ends[2];
        unsigned char number;
        CHECK(pipe(ends) == 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
        const struct forkcall_options options = {
            .method = FORKCALL_SERVER, .timeout_ms = PLENTY_MS, .keep_fds = &ends[1], .keep_fds_count = 1};
        const pid_t server = server_pid();
        CHECK(server > 0);
        for (int i = 0; i < MANY; i++) {
            const int args[] = {ends[1], i};
            if (i == round * 4)
                kill(server, SIGKILL);
            CHECK(forkcall_start(&calls[i], child_writes_its_number, args, sizeof args, NULL, &options) == 0);
        }
        struct forkcall_report reports[MANY];
        for (int i = 0; i < MANY; i++)
            reports[i] = forkcall_finish(calls[i]);
        while (read(ends[0], &number, 1) == 1)
            wrote[number % MANY] = true;
        for (int i = 0; i < MANY; i++) {
            const struct forkcall_report *r = &reports[i];
            CHECK(r->status == FORKCALL_OK ? wrote[i] && r->ran == FORKCALL_RAN_YES : r->message[0] != '\0');
            CHECK(!wrote[i] || r->ran != FORKCALL_RAN_NO);
            CHECK(r->status == FORKCALL_LOST || (r->status == FORKCALL_SIGNALED && r->code == SIGKILL) ||
                  ended(r, FORKCALL_OK, FORKCALL_RAN_YES));
        }
        close(ends[0]);
        close(ends[1]);
    }
    return 0;
}

static void server_killed_while_calls_are_handed_over(void **state)
{
    (void)state;
#ifdef TEST_PORTABLE
    SKIP("children do not die with the server here");
#endif
    assert_int_equal(host_run(kill_server_under_many, NULL), 0);
}

static int child_kills_its_server(const void *args, size_t args_size, struct forkcall_buf *result)
{
    kill(getppid(), SIGKILL);
    return child_writes_and_hangs(args, args_size, result);
}

static int have_server_killed_by_child(void *context)
{
    (void)context;
    const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    const struct forkcall_options options = {
        .method = FORKCALL_SERVER, .timeout_ms = PLENTY_MS, .keep_fds = &nowhere, .keep_fds_count = 1};
    const struct forkcall_report report =
        forkcall_run(child_kills_its_server, &nowhere, sizeof nowhere, NULL, &options);
    CHECK(ended_by_kill(&report));
    CHECK(server_pid() > 0);
    return 0;
}

static void server_killed_by_a_function(void **state)
{
    (void)state;
#ifdef TEST_PORTABLE
    SKIP("children do not die with the server here");
#endif
    assert_int_equal(host_run(have_server_killed_by_child, NULL), 0);
}

/* ---- Stopped --------------------------------------------------------------------------------- */

static bool is_stopped(void *pid)
{
    return state_of(*(pid_t *)pid) == 'T';
}

/* args: two kept descriptors: writes a byte and waits for one. */
static int child_waits_to_answer(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int *fds = args;
    char byte;
    if (write(fds[0], "r", 1) != 1 || read(fds[1], &byte, 1) != 1)
        return errno;
    if (byte == 'k')
        raise(SIGKILL);
    return child_answers_42(args, args_size, result);
}

/* Stops the server before the call ends. The call ends as the byte says. */
static int stop_server_in_a_call(void *context)
{
    const char how = *(const char *)context;
    int ready[2], go[2], answer = 0;
    char byte;
    struct forkcall_call *call = NULL;
    struct forkcall_buf result = forkcall_buf_fixed(&answer, sizeof answer);
    CHECK(pipe(ready) == 0 && pipe(go) == 0);
    const int fds[] = {ready[1], go[0]};
    const struct forkcall_options options = {
        .method = FORKCALL_SERVER, .timeout_ms = PLENTY_MS, .keep_fds = fds, .keep_fds_count = 2};
    pid_t server = server_pid();
    CHECK(server > 0);
    CHECK(forkcall_start(&call, child_waits_to_answer, fds, sizeof fds, &result, &options) == 0);
    CHECK(read(ready[0], &byte, 1) == 1);
    CHECK(kill(server, SIGSTOP) == 0 && wait_until(is_stopped, &server));
    CHECK(write(go[1], &how, 1) == 1);
    const struct forkcall_report report = forkcall_finish(call);
    if (how == 'k')
        CHECK(ended_by_kill(&report));
    else
        CHECK(ended(&report, FORKCALL_OK, FORKCALL_RAN_YES) && answer == 42);
    CHECK(kill(server, SIGCONT) == 0);
    CHECK(server_pid() > 0);
    CHECK(forkcall_server_stop() == 0);
    return 0;
}

static void server_stopped_in_a_call_that_answers(void **state)
{
    char how = 'a';
    (void)state;
    assert_int_equal(host_run(stop_server_in_a_call, &how), 0);
}

static void server_stopped_in_a_call_that_is_killed(void **state)
{
    char how = 'k';
    (void)state;
#ifdef TEST_PORTABLE
    SKIP("only the server knows of its end there");
#endif
    assert_int_equal(host_run(stop_server_in_a_call, &how), 0);
}

static int stop_server_between_calls(void *context)
{
    (void)context;
    const struct forkcall_options options = {.method = FORKCALL_SERVER, .timeout_ms = 150};
    bool timed_out = false;
    pid_t server = server_pid();
    CHECK(server > 0 && spares_are(server, 2));
    CHECK(kill(server, SIGSTOP) == 0 && wait_until(is_stopped, &server));
    /* Calls that find a spare do not need the server. */
    for (int i = 0; i < 4 && !timed_out; i++) {
        const struct forkcall_report report = forkcall_run(child_returns_0, NULL, 0, NULL, &options);
        timed_out = report.status == FORKCALL_TIMED_OUT;
        CHECK(report.status == FORKCALL_OK || (timed_out && report.ran == FORKCALL_RAN_NO));
    }
    CHECK(timed_out);
    CHECK(kill(server, SIGCONT) == 0);
    CHECK(server_pid() > 0);
    CHECK(server_pid() > 0);
    return 0;
}

static void server_stopped_between_calls(void **state)
{
    (void)state;
    assert_int_equal(host_run(stop_server_between_calls, NULL), 0);
}

static int stop_stopped_server(void *context)
{
    (void)context;
    int server = server_pid();
    CHECK(server > 0);
    CHECK(kill(server, SIGSTOP) == 0 && wait_until(is_stopped, &server));
    CHECK(forkcall_server_stop() == 0); /* the stop does not wait for ever */
    const pid_t next = server_pid();
    CHECK(next > 0 && next != server);
    /* Only forkcall_server_stop() can have resumed it. */
    CHECK(wait_until(process_is_gone, &server));
    CHECK(server_pid() == next);
    return 0;
}

static void stopped_server_that_is_to_go(void **state)
{
    (void)state;
    assert_int_equal(host_run(stop_stopped_server, NULL), 0);
}

/* ---- Spares ---------------------------------------------------------------------------------- */

static int end_spares(void *context)
{
    const int signal = *(const int *)context;
    const pid_t server = server_pid();
    CHECK(server > 0);
    for (int round = 0; round < 5; round++) {
        pid_t spares[16];
        CHECK(spares_are(server, 2));
        const int count = children_of(server, spares, 16);
        CHECK(count == 2);
        for (int i = 0; i < count; i++)
            CHECK(kill(spares[i], signal) == 0);
        for (int i = 0; i < count && round > 2; i++)
            CHECK(is_definite()); /* the spares may still be dying */
        CHECK(all_gone(spares, count));
        struct who who;
        for (int i = 0; i < 4; i++) {
            CHECK(ask(FORKCALL_SERVER, child_tells_who, NULL, 0, &who, sizeof who));
            CHECK(who.parent == server);
        }
    }
    CHECK(spares_are(server, 2)); /* the spares are no zombies */
    return 0;
}

static void spares_killed_while_they_wait(void **state)
{
    int signal = SIGKILL;
    (void)state;
    assert_int_equal(host_run(end_spares, &signal), 0);
}

/* A stopped spare does not answer: a timeout ends the call. */
static int stop_spares(void *context)
{
    const struct forkcall_options options = {.method = FORKCALL_SERVER, .timeout_ms = 100};
    pid_t spares[16];
    (void)context;
    const pid_t server = server_pid();
    CHECK(server > 0 && spares_are(server, 2));
    const int count = children_of(server, spares, 16);
    for (int i = 0; i < count; i++)
        CHECK(kill(spares[i], SIGSTOP) == 0 && wait_until(is_stopped, &spares[i]));
    for (int i = 0; i < count; i++) {
        const struct forkcall_report report = forkcall_run(child_returns_0, NULL, 0, NULL, &options);
        CHECK(ended(&report, FORKCALL_TIMED_OUT, FORKCALL_RAN_NO));
    }
    CHECK(server_pid() == server);
    CHECK(all_gone(spares, count));
    return 0;
}

static void spares_stopped_while_they_wait(void **state)
{
    (void)state;
    assert_int_equal(host_run(stop_spares, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_killed_in_a_call),
        cmocka_unit_test(server_that_crashes_in_a_call),
        cmocka_unit_test(server_killed_between_calls),
        cmocka_unit_test(server_that_crashes_between_calls),
        cmocka_unit_test(server_killed_while_calls_are_handed_over),
        cmocka_unit_test(server_killed_by_a_function),
        cmocka_unit_test(server_stopped_in_a_call_that_answers),
        cmocka_unit_test(server_stopped_in_a_call_that_is_killed),
        cmocka_unit_test(server_stopped_between_calls),
        cmocka_unit_test(stopped_server_that_is_to_go),
        cmocka_unit_test(spares_killed_while_they_wait),
        cmocka_unit_test(spares_stopped_while_they_wait),
    };
    forkcall_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
