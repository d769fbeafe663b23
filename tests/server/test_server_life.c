/* Tests that the server is no child of its host, dies with its host, and serves no other
 * process. */
#include "servers.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FAMILY 16

/* ---- Not a child of the host ----------------------------------------------------------------- */

static int wait_for_all(void *context)
{
    (void)context;
    const pid_t server = server_pid();
    CHECK(server > 0 && server != getpid());
    CHECK(ask(FORKCALL_SPAWN, child_returns_0, NULL, 0, NULL, 0));
    CHECK(children_of(getpid(), NULL, 0) == 0);
    while (wait(NULL) > 0)
        CHECK(false);
    CHECK(errno == ECHILD);
    CHECK(process_lives(server));
    CHECK(server_pid() == server);
    return 0;
}

static void host_that_waits_for_all_its_children(void **state)
{
    (void)state;
    assert_int_equal(host_run(wait_for_all, NULL), 0);
}

static int ignore_children(void *context)
{
    (void)context;
    signal(SIGCHLD, SIG_IGN);
    const pid_t server = server_pid();
    CHECK(server > 0);
    CHECK(ask(FORKCALL_SPAWN, child_returns_0, NULL, 0, NULL, 0));
    CHECK(forkcall_server_stop() == 0);
    CHECK(server_pid() > 0);
    return 0;
}

static void host_that_ignores_SIGCHLD(void **state)
{
    (void)state;
    assert_int_equal(host_run(ignore_children, NULL), 0);
}

/* ---- Dies with the host ---------------------------------------------------------------------- */

enum way { BY_EXIT, BY_KILL, BY_EXEC, BY_EXIT_WITH_FORK_CHILD };

struct host {
    enum way way;
    bool in_call;
    int told[2]; /* the host sends the pid of the server, and that the child of a call runs */
    pid_t pid;
};

/* Forks without the pthread_atfork(3) handlers, which close the host's descriptors in the child. */
static long fork_by_kernel(void)
{
#ifdef SYS_fork
    return syscall(SYS_fork);
#else
    return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
#endif
}

_Noreturn static void run_host(const struct host *host)
{
    const pid_t server = server_pid();
    struct forkcall_call *call = NULL;
    char byte;
    int ends[2];
    if (write(host->told[1], &server, sizeof server) != (ssize_t)sizeof server || pipe(ends) < 0)
        _exit(1);
    if (host->in_call) {
        const struct forkcall_options options = {.method = FORKCALL_SERVER, .keep_fds = &ends[1], .keep_fds_count = 1};
        if (forkcall_start(&call, child_writes_and_hangs, &ends[1], sizeof ends[1], NULL, &options) < 0 ||
            read(ends[0], &byte, 1) != 1)
            _exit(1);
    }
    if (host->way == BY_EXIT_WITH_FORK_CHILD && fork_by_kernel() == 0)
        /* The fork keeps all that the host has. The test kills the host's process group at the
         * end. */
        for (;;)
            pause();
    if (write(host->told[1], "r", 1) != 1)
        _exit(1);
    switch (host->way) {
    case BY_EXIT:
    case BY_EXIT_WITH_FORK_CHILD:
        exit(0); // NOLINT(concurrency-mt-unsafe): the one thread
    case BY_EXEC:
        execlp("sleep", "sleep", "1000", (char *)NULL);
        _exit(1);
    case BY_KILL:
        break;
    }
    for (;;)
        pause();
}

static void start_host(struct host *host)
{
    assert_int_equal(pipe(host->told), 0);
    fflush(NULL);
    host->pid = fork();
    assert_true(host->pid >= 0);
    if (host->pid == 0) {
        signal(SIGSEGV, SIG_DFL);
        setpgid(0, 0);
        close(host->told[0]);
        run_host(host);
    }
    setpgid(host->pid, host->pid);
    close(host->told[1]);
}

static void end_host(struct host *host)
{
    kill(-host->pid, SIGKILL);
    waitpid(host->pid, NULL, 0);
    close(host->told[0]);
}

static bool has_family(void *context)
{
    return children_of(*(pid_t *)context, NULL, 0) >= 2;
}

/* Checks that the server and all of its children end. */
static void check_death(enum way way, bool in_call)
{
    struct host host = {.way = way, .in_call = in_call};
    pid_t family[FAMILY + 1];
    char byte;
    start_host(&host);
    assert_int_equal(read(host.told[0], family, sizeof *family), sizeof *family);
    pid_t server = family[0];
    assert_true(server > 0);
    if (way == BY_KILL)
        assert_true(wait_until(has_family, &server));
    const int children = children_of(server, family + 1, FAMILY);
    assert_int_equal(read(host.told[0], &byte, 1), 1);
    if (way == BY_KILL) {
        assert_true(children >= 2 && children <= FAMILY);
        assert_true(process_lives(server));
        kill(host.pid, SIGKILL);
    }
    const bool gone = all_gone(family, 1 + (children < 0 ? 0 : children));
    if (way == BY_EXEC)
        assert_true(process_lives(host.pid));
    end_host(&host);
    assert_true(gone);
}

static void host_that_exits(void **state)
{
    (void)state;
    check_death(BY_EXIT, false);
    check_death(BY_EXIT, true);
}

static void host_that_is_killed(void **state)
{
    (void)state;
    check_death(BY_KILL, false);
    check_death(BY_KILL, true);
}

static void host_that_execs(void **state)
{
    (void)state;
    check_death(BY_EXEC, false);
    check_death(BY_EXEC, true);
}

static void host_that_leaves_a_fork_child(void **state)
{
    (void)state;
#ifdef TEST_PORTABLE
    SKIP("without a descriptor for the host its end is that of its sockets");
#endif
    check_death(BY_EXIT_WITH_FORK_CHILD, false);
}

static void *start_in_thread(void *server)
{
    *(pid_t *)server = server_pid();
    return NULL;
}

static int end_starting_thread(void *context)
{
    pthread_t thread;
    pid_t server = -1;
    (void)context;
    CHECK(pthread_create(&thread, NULL, start_in_thread, &server) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(server > 0 && process_lives(server));
    for (int i = 0; i < 10; i++)
        CHECK(server_pid() == server);
    return 0;
}

static void thread_that_started_the_server_ends(void **state)
{
    (void)state;
    assert_int_equal(host_run(end_starting_thread, NULL), 0);
}

/* ---- Forks of the host ----------------------------------------------------------------------- */

static bool exits_0(pid_t pid)
{
    int status = -1;
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* A stop does not wait for a server that is slow to end. This must be rare, also on a machine
 * under heavy load. */
static int stop_and_look(void *context)
{
    int gone = 0;
    (void)context;
    for (int i = 0; i < 10; i++) {
        const pid_t server = server_pid();
        CHECK(server > 0);
        CHECK(forkcall_server_stop() == 0);
        gone += !process_lives(server);
    }
    CHECK(gone >= 5);
    return 0;
}

static void stopped_server_is_gone(void **state)
{
    (void)state;
    assert_int_equal(host_run(stop_and_look, NULL), 0);
}

/* A fork of the host uses a server of its own. */
static int use_own_server(pid_t server_of_parent)
{
    CHECK(forkcall_server_stop() == 0); /* the fork has no server yet */
    CHECK(process_lives(server_of_parent));
    const pid_t own = server_pid();
    CHECK(own > 0 && own != server_of_parent);
    CHECK(server_pid() == own);
    CHECK(process_lives(server_of_parent));
    CHECK(forkcall_server_stop() == 0);
    return 0;
}

static int fork_with_a_server(void *context)
{
    (void)context;
    const pid_t server = server_pid();
    CHECK(server > 0);
    for (int i = 0; i < 3; i++) {
        const pid_t pid = fork();
        if (pid == 0)
            _exit(use_own_server(server));
        CHECK(server_pid() == server); /* the other process has its own server meanwhile */
        CHECK(exits_0(pid));
        CHECK(server_pid() == server);
    }
    return 0;
}

static void fork_of_the_host_has_its_own_server(void **state)
{
    (void)state;
    assert_int_equal(host_run(fork_with_a_server, NULL), 0);
}

static int fork_in_a_call(void *context)
{
    struct forkcall_call *call = NULL;
    int go[2];
    (void)context;
    CHECK(pipe(go) == 0);
    const struct forkcall_options options = {
        .method = FORKCALL_SERVER, .timeout_ms = PLENTY_MS, .keep_fds = go, .keep_fds_count = 2};
    const pid_t server = server_pid();
    CHECK(forkcall_start(&call, child_returns_0, NULL, 0, NULL, &options) == 0);
    const pid_t pid = fork();
    if (pid == 0) {
        const struct forkcall_report lost = forkcall_finish(call);
        _exit(!ended(&lost, FORKCALL_LOST, FORKCALL_RAN_UNKNOWN) || use_own_server(server) != 0);
    }
    const bool good = exits_0(pid);
    const struct forkcall_report report = forkcall_finish(call);
    CHECK(good && ended(&report, FORKCALL_OK, FORKCALL_RAN_YES));
    CHECK(server_pid() == server);
    return 0;
}

static void fork_of_the_host_while_a_call_runs(void **state)
{
    (void)state;
    assert_int_equal(host_run(fork_in_a_call, NULL), 0);
}

/* Becomes a daemon, which reports through the pipe told. */
static int live_as_daemon(int told)
{
    char good = 0;
    if (setsid() < 0)
        return 1;
    const pid_t pid = fork();
    if (pid != 0)
        _exit(pid < 0); /* the daemon has another parent now */
    const pid_t server = server_pid();
    good = server > 0 && server_pid() == server && ask(FORKCALL_SPAWN, child_returns_0, NULL, 0, NULL, 0) ? 'y' : 'n';
    return write(told, &good, 1) == 1 ? 0 : 1;
}

static int become_daemon(void *context)
{
    int told[2];
    char good = 0;
    (void)context;
    int server = server_pid();
    CHECK(server > 0);
    CHECK(pipe(told) == 0);
    const pid_t pid = fork();
    if (pid == 0)
        _exit(live_as_daemon(told[1]));
    close(told[1]);
    CHECK(exits_0(pid));
    CHECK(read(told[0], &good, 1) == 1 && good == 'y');
    CHECK(server_pid() == server);
    return 0;
}

static void host_that_becomes_a_daemon(void **state)
{
    (void)state;
    assert_int_equal(host_run(become_daemon, NULL), 0);
}

/* ---- Scheduled as the host ------------------------------------------------------------------- */

#ifdef SCHED_BATCH
static int child_tells_scheduling(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int policy = (int)syscall(SYS_sched_getscheduler, 0); /* musl does not make this call */
    (void)args;
    (void)args_size;
    return forkcall_buf_append(result, &policy, sizeof policy);
}

/* The server itself may be scheduled otherwise. */
static int compare_scheduling(void *policy)
{
    const struct sched_param none = {.sched_priority = 0};
    CHECK(syscall(SYS_sched_setscheduler, 0, *(int *)policy, &none) == 0);
    for (int execed = 0; execed < 2; execed++) {
        const struct forkcall_server_options options = {.exec_spares = execed != 0};
        CHECK(forkcall_server_start(&options) == 0);
        for (int i = 0; i < 4; i++) { /* the spares of the beginning, and later ones */
            int of_child = -1;
            CHECK(ask(FORKCALL_SERVER, child_tells_scheduling, NULL, 0, &of_child, sizeof of_child));
            CHECK(of_child == *(int *)policy);
        }
        CHECK(forkcall_server_stop() == 0);
    }
    return 0;
}

static void children_are_scheduled_as_the_host(void **state)
{
    int usual = SCHED_OTHER;
    int batch = SCHED_BATCH;
    (void)state;
    assert_int_equal(host_run(compare_scheduling, &usual), 0);
    assert_int_equal(host_run(compare_scheduling, &batch), 0);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_that_waits_for_all_its_children),
        cmocka_unit_test(host_that_ignores_SIGCHLD),
        cmocka_unit_test(host_that_exits),
        cmocka_unit_test(host_that_is_killed),
        cmocka_unit_test(host_that_execs),
        cmocka_unit_test(host_that_leaves_a_fork_child),
        cmocka_unit_test(thread_that_started_the_server_ends),
        cmocka_unit_test(stopped_server_is_gone),
        cmocka_unit_test(fork_of_the_host_has_its_own_server),
        cmocka_unit_test(fork_of_the_host_while_a_call_runs),
        cmocka_unit_test(host_that_becomes_a_daemon),
#ifdef SCHED_BATCH
        cmocka_unit_test(children_are_scheduled_as_the_host),
#endif
    };
    forkcall_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
