/* Tests hosts that close every descriptor above 2, as daemons do, and open files of their own at
 * the same numbers. The library does not close, write, read or arm any of these files, and every
 * call has an outcome. */
#include "outcomes.h"
#include "own_files.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Enough descriptors for forkcall_fd(), but too few to start a child. */
#ifdef TEST_PORTABLE
#define FEW 2
#else
#define FEW 1
#endif

static bool call_is_ok(enum forkcall_method method)
{
    int answer = 0;
    struct forkcall_buf result = forkcall_buf_fixed(&answer, sizeof answer);
    const struct forkcall_options options = {.method = method, .timeout_ms = DEADLINE_S * 1000};
    const struct forkcall_report report = forkcall_run(child_answers_42, NULL, 0, &result, &options);
    if (report.status != FORKCALL_OK)
        fprintf(stderr, "%s: %s\n", forkcall_status_name(report.status), report.message);
    return report.status == FORKCALL_OK && answer == 42;
}

/* ---- Between calls --------------------------------------------------------------------------- */

static int tells_parent(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int parent = getppid();
    (void)args;
    (void)args_size;
    return forkcall_buf_append(result, &parent, sizeof parent);
}

/* context: the turn, which chooses the kind of file at each number. */
static int close_all_between_calls(void *context)
{
    const int turn = *(const int *)context;
    struct files files;
    int server = 0;
    struct forkcall_buf result = forkcall_buf_fixed(&server, sizeof server);
    CHECK(run_tested(tells_parent, NULL, 0, &result, NULL).status == FORKCALL_OK);
    close_everything();
    CHECK(open_everything(&files, turn));
    CHECK(fork_has(&files));
    CHECK(call_is_ok(FORKCALL_FORK) && call_is_ok(FORKCALL_FORK));
    if (turn % 2 == 0)
        CHECK(forkcall_server_stop() == 0);
    CHECK(are_untouched(&files));
    CHECK(call_is_ok(tested_method()) && call_is_ok(tested_method()));
    CHECK(fork_has(&files));
    /* A server that no process can reach ends. */
    CHECK(server == getpid() || wait_until(process_is_gone, &server));
    CHECK(forkcall_server_stop() == 0);
    CHECK(are_untouched(&files));
    return 0;
}

static void host_that_closes_all_descriptors_between_calls(void **state)
{
    (void)state;
    for (int turn = 0; turn < 4; turn++)
        assert_int_equal(host_run(close_all_between_calls, &turn), 0);
}

/* Opens no files of its own: the library gets the same numbers next. */
static int close_all_and_call(void *unused)
{
    (void)unused;
    CHECK(warm_up());
    close_everything();
    CHECK(call_is_ok(FORKCALL_FORK) && call_is_ok(tested_method()));
    close_everything();
    CHECK(call_is_ok(tested_method()) && call_is_ok(tested_method()));
    CHECK(forkcall_server_stop() == 0);
    return 0;
}

static void host_that_closes_all_descriptors_and_calls(void **state)
{
    (void)state;
    assert_int_equal(host_run(close_all_and_call, NULL), 0);
}

/* ---- While a call runs ----------------------------------------------------------------------- */

static int tells_pid_and_hangs(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int self = getpid();
    const int fd = *(const int *)args;
    if (write(fd, &self, sizeof self) != (ssize_t)sizeof self)
        return 1;
    return child_hangs(args, args_size, result);
}

enum first { FIRST_WAIT, FIRST_FD, FIRST_CANCEL, FIRST_FINISH, FIRST_COUNT };

static int close_all_under_a_call(void *context)
{
    const int first = *(const int *)context;
    struct files files;
    struct forkcall_call *call;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    int ends[2];
    int child = 0;
    CHECK(pipe(ends) == 0);
    const struct forkcall_options options = {.keep_fds = &ends[1], .keep_fds_count = 1};
    CHECK(start_tested(&call, tells_pid_and_hangs, &ends[1], sizeof *ends, &result, &options) == 0);
    CHECK(read(ends[0], &child, sizeof child) == (ssize_t)sizeof child);
    if (first % 2 == 0)
        CHECK(forkcall_fd(call) >= 0 || forkcall_fd(call) == -ENOTSUP);
    close_everything();
    CHECK(open_everything(&files, first));
    CHECK(fork_has(&files));
    if (first == FIRST_WAIT)
        CHECK(forkcall_wait(call, DEADLINE_S * 1000) == 1);
    if (first == FIRST_FD) {
        struct pollfd done = {.fd = forkcall_fd(call), .events = POLLIN};
        CHECK(done.fd == -ENOTSUP || done.fd >= END - 8 || files.stat[done.fd].st_nlink == 0xdead);
        CHECK(forkcall_wait(call, DEADLINE_S * 1000) == 1);
        CHECK(done.fd < 0 || poll(&done, 1, DEADLINE_S * 1000) == 1);
    }
    if (first == FIRST_CANCEL)
        CHECK(forkcall_cancel(call) == 0);
    const struct forkcall_report report = forkcall_finish(call);
    CHECK(report.status == FORKCALL_LOST);
    CHECK(report.ran != FORKCALL_RAN_NO && result.size == 0);
    CHECK(strcmp(report.message, "this process has closed the descriptors of the call while it ran") == 0);
    CHECK(wait_until(process_is_gone, &child));
    CHECK(forkcall_server_stop() == 0);
    CHECK(are_untouched(&files) && are_all(&files));
    CHECK(call_is_ok(tested_method()));
    return 0;
}

static void host_that_closes_all_descriptors_while_a_call_runs(void **state)
{
    (void)state;
    for (int first = 0; first < FIRST_COUNT; first++)
        assert_int_equal(host_run(close_all_under_a_call, &first), 0);
}

/* ---- While a server is asked ----------------------------------------------------------------- */

static int tells_parent_and_is_killed(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int *fds = args;
    const int parent = getppid();
    char byte;
    if (write(fds[0], &parent, sizeof parent) != (ssize_t)sizeof parent || read(fds[1], &byte, 1) != 1)
        return 1;
    return child_kills_itself(args, args_size, result);
}

/* The sockets of this process as bits. */
static uint64_t sockets(void)
{
    uint64_t bits = 0;
    for (int fd = FIRST; fd < END; fd++) {
        struct stat file;
        if (fstat(fd, &file) == 0 && S_ISSOCK(file.st_mode))
            bits |= (uint64_t)1 << fd;
    }
    return bits;
}

struct asking {
    struct forkcall_call *call;
    int server;
    uint64_t others;
};

/* True: the library asks the server, or has given up because more than a second has passed. */
static bool is_asking(void *context)
{
    const struct asking *asking = context;
    return forkcall_wait(asking->call, 5) == 1 || (sockets() & ~asking->others) != 0;
}

/* Makes a call whose child is dead, and whose server is stopped: the server does not answer how
 * the child ended. */
static bool start_asking(struct asking *asking)
{
    int told[2];
    int go[2];
    if (pipe(told) < 0 || pipe(go) < 0)
        return false;
    const int fds[] = {told[1], go[0]};
    const struct forkcall_options options = {.keep_fds = fds, .keep_fds_count = 2};
    if (start_tested(&asking->call, tells_parent_and_is_killed, fds, sizeof fds, NULL, &options) < 0 ||
        read(told[0], &asking->server, sizeof asking->server) != (ssize_t)sizeof asking->server ||
        kill(asking->server, SIGSTOP) < 0)
        return false;
    asking->others = sockets();
    for (int i = 0; i < 2; i++)
        close(told[i]);
    const bool goes = write(go[1], "g", 1) == 1 && wait_until(is_asking, asking);
    for (int i = 0; i < 2; i++)
        close(go[i]);
    return goes;
}

static int close_all_while_the_server_is_asked(void *unused)
{
    struct files files;
    struct asking asking = {.call = NULL};
    (void)unused;
    CHECK(start_asking(&asking));
    close_everything();
    CHECK(open_everything(&files, 0));
    const struct forkcall_report report = forkcall_finish(asking.call);
    CHECK(report.status == FORKCALL_LOST && report.ran != FORKCALL_RAN_NO);
    CHECK(forkcall_server_stop() == 0);
    CHECK(are_untouched(&files) && are_all(&files));
    kill(asking.server, SIGCONT);
    return 0;
}

/* The library asks again over another socket. */
static int close_the_socket_while_the_server_is_asked(void *unused)
{
    struct asking asking = {.call = NULL};
    (void)unused;
    CHECK(warm_up());
    const int before = traces_now().descriptors;
    CHECK(start_asking(&asking));
    for (int fd = FIRST; fd < END; fd++)
        if ((sockets() & ~asking.others & (uint64_t)1 << fd) != 0)
            close(fd);
    CHECK(wait_until(is_asking, &asking));
    kill(asking.server, SIGCONT);
    const struct forkcall_report report = forkcall_finish(asking.call);
    CHECK(report.status == FORKCALL_LOST || (report.status == FORKCALL_SIGNALED && report.code == SIGKILL));
    CHECK(traces_now().descriptors == before);
    return 0;
}

static void host_that_closes_descriptors_while_the_server_is_asked(void **state)
{
    (void)state;
    if (tested_method() != FORKCALL_SERVER)
        SKIP("there is no server");
#ifdef TEST_PORTABLE
    SKIP("the server tells it through a socket that is there from the start");
#endif
    assert_int_equal(host_run(close_all_while_the_server_is_asked, NULL), 0);
    assert_int_equal(host_run(close_the_socket_while_the_server_is_asked, NULL), 0);
}

/* ---- A call that did not start --------------------------------------------------------------- */

/* Lowers the limit so that exactly this number of descriptors can be opened. */
static bool leave_descriptors(int left, struct rlimit *before)
{
    const int lowest = dup(STDERR_FILENO);
    if (lowest < 0 || close(lowest) < 0 || getrlimit(RLIMIT_NOFILE, before) < 0)
        return false;
    const struct rlimit limit = {(rlim_t)(lowest + left), before->rlim_max};
    return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

/* The call has ended before anything ran, but it still has a descriptor for an event loop. */
static int close_all_of_a_call_that_did_not_start(void *unused)
{
    struct files files;
    struct forkcall_call *call;
    struct rlimit limit;
    const struct forkcall_options options = {.timeout_ms = DEADLINE_S * 1000};
    (void)unused;
    close_everything();
    CHECK(leave_descriptors(FEW, &limit));
    CHECK(start_tested(&call, child_returns_0, NULL, 0, NULL, &options) == 0);
    CHECK(forkcall_wait(call, 0) == 1);
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(fcntl(FIRST, F_GETFD) >= 0); /* the call keeps one descriptor */
    close_everything();
    CHECK(open_everything(&files, 0));
    CHECK(forkcall_cancel(call) == 0);
    CHECK(are_untouched(&files));
    CHECK(forkcall_finish(call).status == FORKCALL_NOT_STARTED);
    CHECK(are_untouched(&files));
    return 0;
}

static void host_that_closes_all_descriptors_of_a_call_that_did_not_start(void **state)
{
    (void)state;
    assert_int_equal(host_run(close_all_of_a_call_that_did_not_start, NULL), 0);
}

static int reports_and_hangs(const void *args, size_t args_size, struct forkcall_buf *result)
{
    forkcall_progress(1, 2, NULL);
    return child_hangs(args, args_size, result);
}

static int prints_and_hangs(const void *args, size_t args_size, struct forkcall_buf *result)
{
    if (write(STDOUT_FILENO, "x", 1) != 1)
        return 1;
    return child_hangs(args, args_size, result);
}

static int close_all_on_progress(void *user, double done, double total, const char *note)
{
    (void)done;
    (void)total;
    (void)note;
    close_everything();
    return open_everything(user, 0) ? 0 : 1;
}

static int close_all_on_output(void *user, int stream, const char *data, size_t size)
{
    (void)stream;
    (void)data;
    (void)size;
    close_everything();
    return open_everything(user, 0) ? 0 : 1;
}

static int close_all_in_a_callback(void *context)
{
    const bool progress = *(const bool *)context;
    struct files files;
    const struct forkcall_options options = {.progress = progress ? close_all_on_progress : NULL,
                                             .standard_output =
                                                 progress ? FORKCALL_STREAM_INHERIT : FORKCALL_STREAM_CAPTURE,
                                             .output = progress ? NULL : close_all_on_output,
                                             .user = &files};
    const struct forkcall_report report =
        run_tested(progress ? reports_and_hangs : prints_and_hangs, NULL, 0, NULL, &options);
    CHECK(report.status == FORKCALL_LOST && report.ran != FORKCALL_RAN_NO);
    CHECK(forkcall_server_stop() == 0);
    CHECK(are_untouched(&files));
    CHECK(call_is_ok(tested_method()));
    return 0;
}

static void callback_that_closes_all_descriptors(void **state)
{
    (void)state;
    for (int progress = 0; progress < 2; progress++) {
        bool by_progress = progress == 1;
        assert_int_equal(host_run(close_all_in_a_callback, &by_progress), 0);
    }
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_that_closes_all_descriptors_between_calls),
        cmocka_unit_test(host_that_closes_all_descriptors_and_calls),
        cmocka_unit_test(host_that_closes_all_descriptors_while_a_call_runs),
        cmocka_unit_test(host_that_closes_all_descriptors_of_a_call_that_did_not_start),
        cmocka_unit_test(host_that_closes_descriptors_while_the_server_is_asked),
        cmocka_unit_test(callback_that_closes_all_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
