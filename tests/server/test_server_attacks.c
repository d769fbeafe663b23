/* Tests hosts, functions and prepares that make it hard for the server: every call ends with its
 * right outcome, and nothing is killed, printed, left behind or waited for that should not be. */
#include "servers.h"

#include "server/get_server.h"
#include "server/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static int child_exits_5(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    _exit(5);
}

/* ---- Canceled threads ----------------------------------------------------------------------- */

struct cut {
    struct forkcall_call *call; /* the call to cancel */
    int results[3];             /* 1: the function did not return */
};

/* A cancellation is pending: the first enabled cancellation point would end the thread. */
static void *start_cut(void *context)
{
    struct cut *cut = context;
    pthread_cancel(pthread_self());
    cut->results[0] = forkcall_server_start(NULL);
    return NULL;
}

static void *cancel_cut(void *context)
{
    struct cut *cut = context;
    pthread_cancel(pthread_self());
    cut->results[1] = forkcall_cancel(cut->call);
    return NULL;
}

static void *stop_cut(void *context)
{
    struct cut *cut = context;
    pthread_cancel(pthread_self());
    cut->results[2] = forkcall_server_stop();
    return NULL;
}

static bool run_thread(void *(*run)(void *), void *context)
{
    pthread_t thread;
    return pthread_create(&thread, NULL, run, context) == 0 && pthread_join(thread, NULL) == 0;
}

static int cut_all(void *context)
{
    (void)context;
    struct cut cut = {.results = {1, 1, 1}};
    const struct forkcall_options options = {.method = FORKCALL_SERVER, .timeout_ms = PLENTY_MS};
    CHECK(run_thread(start_cut, &cut));
    CHECK(cut.results[0] == 0);
    const struct traces before = traces_now();
    CHECK(forkcall_server_start(NULL) == -EALREADY);
    CHECK(forkcall_start(&cut.call, child_hangs, NULL, 0, NULL, &options) == 0);
    forkcall_fd(cut.call);
    CHECK(run_thread(cancel_cut, &cut));
    CHECK(cut.results[1] == 0);
    const struct forkcall_report report = forkcall_finish(cut.call);
    CHECK(report.status == FORKCALL_CANCELED);
    CHECK(traces_now().descriptors == before.descriptors);
    CHECK(run_thread(stop_cut, &cut));
    CHECK(cut.results[2] == 0);
    CHECK(server_pid() > 0); /* the server is neither locked nor half started */
    return 0;
}

static void canceled_threads_end_nothing_in_the_middle(void **state)
{
    (void)state;
    assert_int_equal(host_run(cut_all, NULL), 0);
}

/* ---- What goes on after OK ------------------------------------------------------------------- */

/* args: two kept descriptors. It starts a worker process that lives on, sends its own pid, waits
 * for a byte and returns. The worker traces it, so that it ends but cannot be reaped: its server
 * still has it as a child. */
static int child_leaves_a_worker(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int *fds = args;
    int ready[2];
    char byte;
    (void)args_size;
    (void)result;
    const pid_t self = getpid();
    if (pipe(ready) < 0)
        return errno;
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
    const pid_t worker = fork();
    if (worker == 0) {
        byte = ptrace(PTRACE_SEIZE, self, NULL, PTRACE_O_TRACEEXIT) < 0 ? 'n' : 'y';
        alarm((unsigned)(4 * DEADLINE_S));
        if (write(ready[1], &byte, 1) == 1)
            for (;;)
                pause();
        _exit(1);
    }
    if (read(ready[0], &byte, 1) != 1 || byte != 'y')
        return 1;
    return write(fds[0], &worker, sizeof worker) == (ssize_t)sizeof worker && read(fds[1], &byte, 1) == 1 ? 0 : 1;
}

static bool is_stopped(void *pid)
{
    return state_of(*(pid_t *)pid) == 'T';
}

struct leaving {
    bool stops; /* the server ends by forkcall_server_stop(); false: by its host's end */
    int told[2];
};

/* Suspends the server while the call ends and its host goes. */
static int leave_a_worker(const struct leaving *leaving)
{
    int go[2], ready[2];
    pid_t pids[2];
    struct forkcall_call *call = NULL;
    CHECK(pipe(go) == 0 && pipe(ready) == 0);
    const int fds[] = {ready[1], go[0]};
    const struct forkcall_options options = {
        .method = FORKCALL_SERVER, .timeout_ms = PLENTY_MS, .keep_fds = fds, .keep_fds_count = 2};
    pids[0] = server_pid();
    CHECK(pids[0] > 0);
    CHECK(forkcall_start(&call, child_leaves_a_worker, fds, sizeof fds, NULL, &options) == 0);
    struct pollfd p = {.fd = ready[0], .events = POLLIN};
    while (poll(&p, 1, 10) == 0)
        if (forkcall_wait(call, 0) == 1)
            return NOT_HERE; /* the worker may not trace */
    CHECK(read(ready[0], &pids[1], sizeof pids[1]) == (ssize_t)sizeof pids[1]);
    CHECK(kill(pids[0], SIGSTOP) == 0 && wait_until(is_stopped, &pids[0]));
    CHECK(write(go[1], "g", 1) == 1);
    const struct forkcall_report report = forkcall_finish(call);
    CHECK(ended(&report, FORKCALL_OK, FORKCALL_RAN_YES));
    CHECK(!leaving->stops || forkcall_server_stop() == 0);
    CHECK(write(leaving->told[1], pids, sizeof pids) == (ssize_t)sizeof pids);
    return 0;
}

static int look_after_worker(void *context)
{
    struct leaving *leaving = context;
    int status = -1;
    pid_t pids[2];
    CHECK(pipe(leaving->told) == 0);
    const pid_t host = fork();
    if (host == 0)
        _exit(leave_a_worker(leaving));
    CHECK(waitpid(host, &status, 0) == host);
    if (status != 0)
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    CHECK(read(leaving->told[0], pids, sizeof pids) == (ssize_t)sizeof pids);
    CHECK(kill(pids[0], SIGCONT) == 0 || leaving->stops); /* a stop ends a suspended server */
    CHECK(wait_until(process_is_gone, &pids[0]));
    CHECK(process_lives(pids[1]));
    kill(pids[1], SIGKILL);
    return 0;
}

static void check_worker(bool stops)
{
    struct leaving leaving = {.stops = stops};
    const int status = host_run(look_after_worker, &leaving);
    if (status == NOT_HERE) {
        print_message("skipped: a process may not trace its parent here\n");
        skip();
    }
    assert_int_equal(status, 0);
}

static void what_a_function_left_running_when_its_host_ends(void **state)
{
    (void)state;
    check_worker(false);
}

static void what_a_function_left_running_when_its_server_is_stopped(void **state)
{
    (void)state;
    check_worker(true);
}

/* ---- What prepare leaves behind -------------------------------------------------------------- */

static int prepare_blocks_signals(const void *args, size_t args_size, struct forkcall_buf *result)
{
    sigset_t all;
    (void)args;
    (void)args_size;
    (void)result;
    sigfillset(&all);
    return sigprocmask(SIG_SETMASK, &all, NULL);
}

static int call_after_blocked_signals(void *context)
{
    (void)context;
    const struct forkcall_options options = {.method = FORKCALL_SERVER, .timeout_ms = PLENTY_MS};
    CHECK(forkcall_server_start(&(struct forkcall_server_options){.prepare = prepare_blocks_signals}) == 0);
    const struct forkcall_report report = forkcall_run(child_exits_5, NULL, 0, NULL, &options);
    CHECK(ended(&report, FORKCALL_EXITED, FORKCALL_RAN_YES));
    CHECK(report.code == 5 && WIFEXITED(report.wait_status) && WEXITSTATUS(report.wait_status) == 5);
    const pid_t server = server_pid();
    CHECK(server > 0 && spares_are(server, 2)); /* dead children are reaped */
    return 0;
}

static void prepare_that_blocks_signals(void **state)
{
    (void)state;
    assert_int_equal(host_run(call_after_blocked_signals, NULL), 0);
}

static int prepare_prints(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    return printf("table loaded\n") < 0;
}

static int call_after_printing(void *path)
{
    const int file = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    CHECK(file >= 0 && dup2(file, STDOUT_FILENO) == STDOUT_FILENO);
    CHECK(forkcall_server_start(&(struct forkcall_server_options){.prepare = prepare_prints}) == 0);
    CHECK(count_in_file(path, "table loaded") == 1);
    for (int i = 0; i < 4; i++)
        CHECK(server_pid() > 0);
    CHECK(count_in_file(path, "table loaded") == 1);
    return 0;
}

static void prepare_that_prints(void **state)
{
    char path[] = "/tmp/forkcall-server-XXXXXX";
    (void)state;
    const int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    const int status = host_run(call_after_printing, path);
    unlink(path);
    assert_int_equal(status, 0);
}

static int prepare_ignores_a_signal(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    return signal(SIGUSR1, SIG_IGN) == SIG_ERR;
}

static int child_tells_sigusr1(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct sigaction action;
    (void)args;
    (void)args_size;
    const int r = sigaction(SIGUSR1, NULL, &action);
    const int is_default = r == 0 && action.sa_handler == SIG_DFL;
    return forkcall_buf_append(result, &is_default, sizeof is_default);
}

static int call_after_ignored_signal(void *context)
{
    int is_default = -1;
    (void)context;
    CHECK(forkcall_server_start(&(struct forkcall_server_options){.prepare = prepare_ignores_a_signal}) == 0);
    CHECK(ask(FORKCALL_SERVER, child_tells_sigusr1, NULL, 0, &is_default, sizeof is_default));
    CHECK(is_default == 1);
    return 0;
}

static void prepare_that_ignores_a_signal(void **state)
{
    (void)state;
    assert_int_equal(host_run(call_after_ignored_signal, NULL), 0);
}

/* ---- Waiting --------------------------------------------------------------------------------- */

static int prepare_never_ends(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    alarm((unsigned)(4 * DEADLINE_S));
    while (pause() < 0) {
    }
    return 1;
}

static bool is_canceled(struct forkcall_options options)
{
    int ends[2];
    if (pipe(ends) < 0 || write(ends[1], "c", 1) != 1)
        return false;
    options.method = FORKCALL_SERVER;
    options.timeout_ms = PLENTY_MS;
    options.cancel_fd_plus_one = ends[0] + 1;
    const struct forkcall_report report = forkcall_run(child_returns_0, NULL, 0, NULL, &options);
    close(ends[0]);
    close(ends[1]);
    return ended(&report, FORKCALL_CANCELED, FORKCALL_RAN_NO);
}

static int cancel_in_prepare(void *context)
{
    (void)context;
    const struct forkcall_server_options options = {.prepare = prepare_never_ends, .timeout_ms = 100};
    /* The next call's server has the same options. */
    CHECK(forkcall_server_start(&options) == -ETIMEDOUT);
    CHECK(is_canceled((struct forkcall_options){.timeout_ms = 0}));
    return 0;
}

static void call_canceled_while_prepare_runs(void **state)
{
    (void)state;
#ifdef TEST_PORTABLE
    SKIP("a prepare that never ends outlives its host there");
#endif
    assert_int_equal(host_run(cancel_in_prepare, NULL), 0);
}

static int cancel_without_child(void *context)
{
    const int kept = STDERR_FILENO;
    (void)context;
    pid_t server = server_pid();
    CHECK(server > 0 && spares_are(server, 2));
    CHECK(kill(server, SIGSTOP) == 0 && wait_until(is_stopped, &server));
    const int other = dup(kept);
    /* The call asks for a child of its own, because of the kept descriptor. */
    CHECK(is_canceled((struct forkcall_options){.keep_fds = &other, .keep_fds_count = 1}));
    const struct forkcall_options options = {.method = FORKCALL_SERVER, .timeout_ms = PLENTY_MS};
    for (int i = 0; i < 2; i++) { /* these calls use the spares */
        const struct forkcall_report report = forkcall_run(child_returns_0, NULL, 0, NULL, &options);
        CHECK(ended(&report, FORKCALL_OK, FORKCALL_RAN_YES));
    }
    CHECK(is_canceled((struct forkcall_options){.timeout_ms = 0}));
    CHECK(kill(server, SIGCONT) == 0);
    CHECK(server_pid() > 0);
    return 0;
}

static void call_canceled_while_it_waits_for_a_child(void **state)
{
    (void)state;
    assert_int_equal(host_run(cancel_without_child, NULL), 0);
}

/* Makes the time in which calls have waited in vain ten seconds longer. If no call has waited in
 * vain, nothing changes. */
static bool make_silence_longer(void)
{
    const struct fc_time_limit patience = {.deadline_ns = UINT64_MAX, .cancel_fd = -1};
    struct fc_server *server;
    char why[200];
    if (fc_server_get(&patience, &server, why, sizeof why) != 0)
        return false;
    fc_fds_lock();
    if (server->silent_ns != 0)
        server->silent_ns += 10000000000U;
    fc_fds_unlock();
    fc_server_unref(server);
    return true;
}

static bool call_is_ok_within(int timeout_ms)
{
    const struct forkcall_options options = {.method = FORKCALL_SERVER, .timeout_ms = timeout_ms};
    const struct forkcall_report report = forkcall_run(child_returns_0, NULL, 0, NULL, &options);
    return report.status == FORKCALL_OK;
}

static bool call_is_ok(void *unused)
{
    (void)unused;
    return call_is_ok_within(500);
}

static int outlast_stopped_server(void *context)
{
    (void)context;
    int server = server_pid();
    CHECK(server > 0 && spares_are(server, 2));
    CHECK(kill(server, SIGSTOP) == 0 && wait_until(is_stopped, &server));
    /* These calls use the spares. */
    CHECK(call_is_ok_within(PLENTY_MS) && call_is_ok_within(PLENTY_MS));
    CHECK(!call_is_ok(NULL) && make_silence_longer());
    /* All these calls have shorter timeouts than a server may need. */
    const bool is_replaced = wait_until(call_is_ok, NULL);
    const bool is_killed = is_replaced && wait_until(process_is_gone, &server);
    kill(server, SIGCONT);
    CHECK(is_replaced && is_killed);
    return 0;
}

static void stopped_server_is_replaced_by_impatient_calls(void **state)
{
    (void)state;
    assert_int_equal(host_run(outlast_stopped_server, NULL), 0);
}

static int answer_and_be_silent_later(void *context)
{
    (void)context;
    /* Because of the kept descriptor, the call asks for a child of its own and takes no spare. */
    const int kept = dup(STDERR_FILENO);
    struct forkcall_options options = {
        .method = FORKCALL_SERVER, .timeout_ms = PLENTY_MS, .keep_fds = &kept, .keep_fds_count = 1};
    pid_t server = server_pid();
    CHECK(server > 0 && kept >= 0);
    for (int i = 0; i < 2; i++) {
        CHECK(kill(server, SIGSTOP) == 0 && wait_until(is_stopped, &server));
        options.timeout_ms = 50;
        struct forkcall_report report = forkcall_run(child_returns_0, NULL, 0, NULL, &options);
        CHECK(ended(&report, FORKCALL_TIMED_OUT, FORKCALL_RAN_NO));
        CHECK(i > 0 || make_silence_longer());
        CHECK(kill(server, SIGCONT) == 0);
        options.timeout_ms = PLENTY_MS;
        report = forkcall_run(child_returns_0, NULL, 0, NULL, &options);
        CHECK(ended(&report, FORKCALL_OK, FORKCALL_RAN_YES));
    }
    CHECK(server_pid() == server);
    return 0;
}

static void server_that_has_answered_is_given_time_anew(void **state)
{
    (void)state;
    assert_int_equal(host_run(answer_and_be_silent_later, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canceled_threads_end_nothing_in_the_middle),
        cmocka_unit_test(what_a_function_left_running_when_its_host_ends),
        cmocka_unit_test(what_a_function_left_running_when_its_server_is_stopped),
        cmocka_unit_test(prepare_that_blocks_signals),
        cmocka_unit_test(prepare_that_prints),
        cmocka_unit_test(prepare_that_ignores_a_signal),
        cmocka_unit_test(call_canceled_while_prepare_runs),
        cmocka_unit_test(call_canceled_while_it_waits_for_a_child),
        cmocka_unit_test(stopped_server_is_replaced_by_impatient_calls),
        cmocka_unit_test(server_that_has_answered_is_given_time_anew),
    };
    forkcall_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
