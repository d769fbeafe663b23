/* Tests the option prepare, and children that are exec'ed. */
#include "servers.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- What prepare leaves behind -------------------------------------------------------------- */

static struct table {
    int number;
    pid_t maker; /* the process that ran prepare */
    int times;
    size_t size;
    int sum;
} table;

static int fill_table(const void *args, size_t args_size, struct forkcall_buf *result)
{
    table.number = args_size == sizeof(int) ? *(const int *)args : -1;
    table.maker = getpid();
    table.times++;
    table.size = args_size;
    for (size_t i = 0; i < args_size; i++)
        table.sum += ((const unsigned char *)args)[i];
    return forkcall_buf_append(result, "dropped", 7);
}

struct view {
    struct table table;
    pid_t pid, parent;
    bool in_child;
};

/* No other process sees the child's changes to the table. */
static int child_tells_table(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct view view = {table, getpid(), getppid(), forkcall_in_child()};
    (void)args;
    (void)args_size;
    memset(&table, 0, sizeof table);
    return forkcall_buf_append(result, &view, sizeof view);
}

static bool ask_table(struct view *view)
{
    return ask(FORKCALL_SERVER, child_tells_table, NULL, 0, view, sizeof *view);
}

static int share_state(void *context)
{
    const int number = 1234;
    const struct forkcall_server_options options = {
        .prepare = fill_table, .prepare_args = &number, .prepare_args_size = sizeof number};
    struct view view;
    (void)context;
    CHECK(forkcall_server_start(&options) == 0);
    for (int i = 0; i < 8; i++) {
        CHECK(ask_table(&view));
        CHECK(view.table.number == number && view.table.times == 1);
        CHECK(view.table.maker == view.parent && view.parent != getpid() && view.pid != view.parent);
        CHECK(view.in_child);
    }
    CHECK(table.times == 0); /* prepare has not run in this process */
    return 0;
}

static void prepare_leaves_its_state_to_all_children(void **state)
{
    (void)state;
    assert_int_equal(host_run(share_state, NULL), 0);
}

static int prepare_without_args(void *context)
{
    const struct forkcall_server_options options = {.prepare = fill_table};
    struct view view;
    (void)context;
    CHECK(forkcall_server_start(&options) == 0);
    CHECK(ask_table(&view));
    CHECK(view.table.number == -1 && view.table.times == 1 && view.table.size == 0);
    return 0;
}

static void prepare_without_arguments(void **state)
{
    (void)state;
    assert_int_equal(host_run(prepare_without_args, NULL), 0);
}

static int prepare_with_many_args(void *context)
{
    static unsigned char bytes[32 * 1024 + 1];
    struct forkcall_server_options options = {
        .prepare = fill_table, .prepare_args = bytes, .prepare_args_size = sizeof bytes};
    struct view view;
    (void)context;
    memset(bytes, 3, sizeof bytes);
    CHECK(forkcall_server_start(&options) == -EINVAL);
    options.prepare_args_size--;
    CHECK(forkcall_server_start(&options) == 0);
    CHECK(ask_table(&view));
    CHECK(view.table.size == sizeof bytes - 1 && view.table.sum == 3 * 32 * 1024);
    return 0;
}

static void prepare_with_as_many_arguments_as_there_may_be(void **state)
{
    (void)state;
    assert_int_equal(host_run(prepare_with_many_args, NULL), 0);
}

/* Only forkcall_server_start() sets the options: they outlast a stop, a killed server and a change
 * of the host. */
static int start_again(void *context)
{
    int number = 77;
    const struct forkcall_server_options options = {
        .prepare = fill_table, .prepare_args = &number, .prepare_args_size = sizeof number, .spares = 3};
    struct view view;
    (void)context;
    CHECK(forkcall_server_start(&options) == 0);
    CHECK(ask_table(&view));
    number = 0; /* the options were copied at the start */
    for (int i = 0; i < 3; i++) {
        int before = view.parent;
        if (i == 0)
            CHECK(forkcall_server_stop() == 0);
        else if (i == 1)
            CHECK(kill(before, SIGKILL) == 0);
        else
            CHECK(chdir("/usr") == 0);
        if (i < 2)
            CHECK(wait_until(process_is_gone, &before));
        CHECK(ask_table(&view));
        CHECK(view.parent != before);
        CHECK(view.table.number == 77 && view.table.maker == view.parent);
        CHECK(spares_are(view.parent, 3));
    }
    CHECK(forkcall_server_stop() == 0);
    CHECK(forkcall_server_start(NULL) == 0); /* sets the defaults again */
    CHECK(ask_table(&view));
    CHECK(view.table.times == 0 && spares_are(view.parent, 2));
    return 0;
}

static void server_that_is_started_again_has_the_same_options(void **state)
{
    (void)state;
    assert_int_equal(host_run(start_again, NULL), 0);
}

/* ---- Prepares that fail ---------------------------------------------------------------------- */

enum end { END_RETURN, END_FAIL, END_THROW, END_EXIT, END_CRASH, END_HANG };

static int end_badly(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct rlimit no_core = {0, 0};
    (void)args_size;
    (void)result;
    setrlimit(RLIMIT_CORE, &no_core);
    switch (*(const enum end *)args) {
    case END_RETURN:
        return 5;
    case END_FAIL:
        return forkcall_fail(7, "no table %s", "today");
    case END_THROW:
        forkcall_throw(8, "from the depth");
    case END_EXIT:
        _exit(3);
    case END_CRASH:
        raise(SIGTRAP); /* sanitizers catch other signals */
        break;
    case END_HANG:
        alarm((unsigned)(4 * DEADLINE_S));
        for (;;)
            pause();
    }
    return 0;
}

struct bad {
    enum end end;
    bool exec_spares;
    int error;
    const char *message; /* of the call's report */
};

static int prepare_badly(void *context)
{
    const struct bad *bad = context;
    const struct forkcall_server_options options = {.prepare = end_badly,
                                                    .prepare_args = &bad->end,
                                                    .prepare_args_size = sizeof bad->end,
                                                    .exec_spares = bad->exec_spares,
                                                    .timeout_ms = bad->end == END_HANG ? 200 : PLENTY_MS};
    const struct forkcall_options call = {.method = FORKCALL_SERVER,
                                          .timeout_ms = bad->end == END_HANG ? 200 : PLENTY_MS};
    const int r = forkcall_server_start(&options);
    if (r != bad->error)
        fprintf(stderr, "forkcall_server_start: %d\n", r);
    CHECK(r == bad->error);
    for (int i = 0; i < 2; i++) {
        const struct forkcall_report report = forkcall_run(child_returns_0, NULL, 0, NULL, &call);
        CHECK(ended(&report, bad->end == END_HANG ? FORKCALL_TIMED_OUT : FORKCALL_NOT_STARTED, FORKCALL_RAN_NO));
        if (strstr(report.message, bad->message) == NULL)
            fprintf(stderr, "%s\n", report.message);
        CHECK(strstr(report.message, bad->message) != NULL);
    }
    CHECK(children_of(getpid(), NULL, 0) == 0);
    forkcall_server_stop(); /* ends a server whose prepare still runs */
    CHECK(forkcall_server_start(NULL) == 0);
    CHECK(server_pid() > 0);
    return 0;
}

static void check_bad(enum end end, int error, const char *message)
{
    struct bad bad = {end, false, error, message};
    assert_int_equal(host_run(prepare_badly, &bad), 0);
}

static void prepare_that_returns_non_zero(void **state)
{
    (void)state;
    check_bad(END_RETURN, -ECANCELED, "prepare returned 5");
}

static void prepare_that_fails_with_a_message(void **state)
{
    (void)state;
    check_bad(END_FAIL, -ECANCELED, "prepare failed: no table today");
}

static void prepare_that_throws(void **state)
{
    (void)state;
    check_bad(END_THROW, -ECANCELED, "prepare failed: from the depth");
}

static void prepare_that_exits(void **state)
{
    (void)state;
    check_bad(END_EXIT, -ECONNRESET, "");
}

static void prepare_that_crashes(void **state)
{
    (void)state;
    check_bad(END_CRASH, -ECONNRESET, "");
}

static void prepare_that_hangs(void **state)
{
    (void)state;
    check_bad(END_HANG, -ETIMEDOUT, "200 ms");
}

/* Sends its pid to stdout, and never returns. */
static int tell_and_hang(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int pid = getpid();
    (void)args;
    (void)args_size;
    (void)result;
    if (write(STDOUT_FILENO, &pid, sizeof pid) != (ssize_t)sizeof pid)
        return errno;
    alarm((unsigned)(4 * DEADLINE_S));
    for (;;)
        pause();
}

static int start_and_hang(void *context)
{
    const int *told = context;
    const struct forkcall_server_options options = {.prepare = tell_and_hang};
    CHECK(dup2(told[1], STDOUT_FILENO) == STDOUT_FILENO);
    close(told[0]);
    forkcall_server_start(&options);
    return 1; /* not reached */
}

static void host_killed_while_prepare_hangs(void **state)
{
    int told[2], server = 0;
    (void)state;
    assert_int_equal(pipe(told), 0);
    fflush(NULL);
    const pid_t host = fork();
    if (host == 0)
        _exit(start_and_hang(told));
    close(told[1]);
    const ssize_t n = read(told[0], &server, sizeof server);
    const bool lived = process_lives(server);
    kill(host, SIGKILL);
    waitpid(host, NULL, 0);
    const bool gone = wait_until(process_is_gone, &server);
    close(told[0]);
    if (!gone)
        kill(server, SIGKILL);
    assert_int_equal(n, sizeof server);
    assert_true(lived && server != host);
    assert_true(gone);
}

static int give_up_hanging_prepare(void *context)
{
    const struct forkcall_server_options options = {.prepare = tell_and_hang, .timeout_ms = 200};
    int told[2], server = 0;
    (void)context;
    CHECK(pipe(told) == 0 && dup2(told[1], STDOUT_FILENO) == STDOUT_FILENO);
    CHECK(forkcall_server_start(&options) == -ETIMEDOUT);
    CHECK(fcntl(told[0], F_SETFL, O_NONBLOCK) == 0);
    CHECK(forkcall_server_stop() == 0);
    /* If nothing was sent, the server was stopped before it ran prepare. */
    if (read(told[0], &server, sizeof server) == (ssize_t)sizeof server)
        CHECK(wait_until(process_is_gone, &server));
    return 0;
}

static void server_stopped_while_prepare_hangs(void **state)
{
    (void)state;
    assert_int_equal(host_run(give_up_hanging_prepare, NULL), 0);
}

static int start_after_a_hanging_prepare(void *context)
{
    const struct forkcall_server_options hangs = {.prepare = tell_and_hang, .timeout_ms = 100};
    const struct forkcall_server_options plain = {.spares = 1};
    int told[2];
    (void)context;
    CHECK(pipe(told) == 0 && dup2(told[1], STDOUT_FILENO) == STDOUT_FILENO);
    CHECK(forkcall_server_start(&hangs) == -ETIMEDOUT);
    /* The start gives up the server that hangs, which does not delay the next one. */
    CHECK(forkcall_server_start(&plain) == 0);
    CHECK(server_pid() > 0);
    return 0;
}

static void server_started_after_a_prepare_that_hung(void **state)
{
    (void)state;
    assert_int_equal(host_run(start_after_a_hanging_prepare, NULL), 0);
}

/* ---- Exec'ed children ------------------------------------------------------------------------ */

static void *sit(void *unused)
{
    for (;;)
        pause();
    return unused;
}

static int start_thread(const void *args, size_t args_size, struct forkcall_buf *result)
{
    pthread_t thread;
    fill_table(args, args_size, result);
    return pthread_create(&thread, NULL, sit, NULL);
}

static int has_its_streams(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            return 1 + fd;
    return 0;
}

static int kill_itself(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    return raise(SIGKILL);
}

/* Each child prepares itself. */
static int use_exec_spares(void *context)
{
    const int number = 55;
    struct forkcall_server_options options = *(struct forkcall_server_options *)context;
    options.prepare_args = &number;
    options.prepare_args_size = sizeof number;
    struct view view;
    pid_t server = 0;
    CHECK(forkcall_server_start(&options) == 0);
    for (int i = 0; i < 5; i++) {
        CHECK(ask_table(&view));
        CHECK(view.table.number == number && view.table.times == 1 && view.table.maker == view.pid);
        CHECK(view.parent != getpid() && (server == 0 || view.parent == server));
        server = view.parent;
    }
    CHECK(spares_are(server, 2));
    const struct forkcall_options call = {.method = FORKCALL_SERVER, .timeout_ms = PLENTY_MS};
    CHECK(has_its_streams(NULL, 0, NULL) != 0 ||
          forkcall_run(has_its_streams, NULL, 0, NULL, &call).status == FORKCALL_OK);
    /* The server learns how its children end, whatever threads it has. */
    const struct forkcall_report report = forkcall_run(kill_itself, NULL, 0, NULL, &call);
    CHECK(report.wait_status == SIGKILL);
    CHECK(spares_are(server, 2));
    return 0;
}

static void exec_spares_prepare_themselves(void **state)
{
    struct forkcall_server_options options = {.prepare = fill_table, .exec_spares = true};
    (void)state;
    assert_int_equal(host_run(use_exec_spares, &options), 0);
}

static void prepare_that_starts_a_thread(void **state)
{
    struct forkcall_server_options options = {.prepare = start_thread};
    (void)state;
    assert_int_equal(host_run(use_exec_spares, &options), 0);
}

static int exec_badly(void *context)
{
    const struct bad *bad = context;
    const struct forkcall_server_options options = {
        .prepare = end_badly, .prepare_args = &bad->end, .prepare_args_size = sizeof bad->end, .exec_spares = true};
    const struct forkcall_options call = {.method = FORKCALL_SERVER,
                                          .timeout_ms = bad->end == END_HANG ? 200 : PLENTY_MS};
    CHECK(forkcall_server_start(&options) == 0);
    const struct forkcall_report report = forkcall_run(child_returns_0, NULL, 0, NULL, &call);
    CHECK(ended(&report, bad->end == END_HANG ? FORKCALL_TIMED_OUT : FORKCALL_NOT_STARTED, FORKCALL_RAN_NO));
    if (strstr(report.message, bad->message) == NULL)
        fprintf(stderr, "%s\n", report.message);
    CHECK(strstr(report.message, bad->message) != NULL);
    CHECK(forkcall_server_stop() == 0);
    return 0;
}

static void prepare_that_fails_in_exec_spares(void **state)
{
    static const struct bad bads[] = {
        {.end = END_FAIL, .message = "prepare failed: no table today"},
        {.end = END_EXIT, .message = "ended with exit status 3"},
        {.end = END_CRASH, .message = "SIGTRAP"},
        {.end = END_HANG, .message = "200 ms"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bads / sizeof *bads; i++)
        assert_int_equal(host_run(exec_badly, (void *)(uintptr_t)&bads[i]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prepare_leaves_its_state_to_all_children),
        cmocka_unit_test(prepare_without_arguments),
        cmocka_unit_test(prepare_with_as_many_arguments_as_there_may_be),
        cmocka_unit_test(server_that_is_started_again_has_the_same_options),
        cmocka_unit_test(prepare_that_returns_non_zero),
        cmocka_unit_test(prepare_that_fails_with_a_message),
        cmocka_unit_test(prepare_that_throws),
        cmocka_unit_test(prepare_that_exits),
        cmocka_unit_test(prepare_that_crashes),
        cmocka_unit_test(prepare_that_hangs),
        cmocka_unit_test(host_killed_while_prepare_hangs),
        cmocka_unit_test(server_stopped_while_prepare_hangs),
        cmocka_unit_test(server_started_after_a_prepare_that_hung),
        cmocka_unit_test(exec_spares_prepare_themselves),
        cmocka_unit_test(prepare_that_starts_a_thread),
        cmocka_unit_test(prepare_that_fails_in_exec_spares),
    };
    forkcall_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
