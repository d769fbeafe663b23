/* Hosts, and functions, that close every descriptor above 2, as daemons do, and open files of their
 * own by the same numbers. Nothing of theirs is closed, written, read or armed, and every call has
 * an outcome. */
#include "outcomes.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/epoll.h>
#include <sys/timerfd.h>
#endif

#define FIRST 3
#define END 64 /* no process here has a descriptor above */
/* Enough for what wakes an event loop, and too few to start a child. */
#ifdef TEST_PORTABLE
#define FEW 2
#else
#define FEW 1
#endif

struct files {
    struct stat stat[END];
};

static void close_everything(void)
{
    for (int fd = FIRST; fd < END; fd++)
        close(fd);
}

/* A descriptor of another kind for each turn. */
static int open_some(int turn)
{
#if defined(__linux__)
    if (turn % 4 == 1)
        return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    if (turn % 4 == 2)
        return epoll_create1(EPOLL_CLOEXEC);
#endif
    if (turn % 4 == 3) {
        int ends[2];
        return pipe(ends) < 0 ? -1 : ends[0];
    }
    FILE *file = tmpfile();
    return file == NULL ? -1 : fileno(file);
}

/* Which kind gets which number depends on turn: each number is tried with each kind. */
static bool open_everything(struct files *files, int turn)
{
    int fd;
    do
        fd = open_some(turn++);
    while (fd >= 0 && fd < END - 8);
    memset(files, 0, sizeof *files);
    for (int i = FIRST; fd >= 0 && i < END; i++)
        if (fstat(i, &files->stat[i]) < 0)
            files->stat[i].st_nlink = 0xdead;
    return fd >= 0;
}

static bool is_armed(int fd)
{
#if defined(__linux__)
    struct itimerspec when;
    return timerfd_gettime(fd, &when) == 0 && (when.it_value.tv_sec != 0 || when.it_value.tv_nsec != 0);
#else
    (void)fd;
    return false;
#endif
}

/* All are open, and are what they were, and as empty. */
static bool are_untouched(const struct files *files)
{
    for (int fd = FIRST; fd < END; fd++) {
        struct stat now;
        if (files->stat[fd].st_nlink == 0xdead)
            continue;
        if (fstat(fd, &now) < 0 || now.st_ino != files->stat[fd].st_ino || now.st_dev != files->stat[fd].st_dev ||
            now.st_mode != files->stat[fd].st_mode || now.st_size != files->stat[fd].st_size || is_armed(fd) ||
            (S_ISREG(now.st_mode) && lseek(fd, 0, SEEK_CUR) > 0)) {
            fprintf(stderr, "descriptor %d is not what it was\n", fd);
            return false;
        }
    }
    return true;
}

/* Nothing but them is open any more. */
static bool are_all(const struct files *files)
{
    bool all = true;
    for (int fd = FIRST; fd < 2 * END; fd++)
        if ((fd >= END || files->stat[fd].st_nlink == 0xdead) && fcntl(fd, F_GETFD) >= 0) {
            fprintf(stderr, "descriptor %d is left behind\n", fd);
            all = false;
        }
    return all;
}

static bool fork_has(const struct files *files)
{
    int status;
    const pid_t pid = fork();
    if (pid == 0)
        _exit(are_untouched(files) ? 0 : 1);
    return waitpid(pid, &status, 0) == pid && status == 0;
}

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

/* context: which kind of file gets which number. */
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
    /* A server that nobody can reach ends. */
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

/* Without files of its own: the numbers are the library's next. */
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

/* As bits. */
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

/* Or has given up: a second, on a machine that is slow enough. */
static bool is_asking(void *context)
{
    const struct asking *asking = context;
    return forkcall_wait(asking->call, 5) == 1 || (sockets() & ~asking->others) != 0;
}

/* A call whose child is dead, and a server that is stopped: it does not say how the child has
 * ended. */
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

/* It is asked again, through another. */
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

/* So many descriptors can be opened, and not one more. */
static bool leave_descriptors(int left, struct rlimit *before)
{
    const int lowest = dup(STDERR_FILENO);
    if (lowest < 0 || close(lowest) < 0 || getrlimit(RLIMIT_NOFILE, before) < 0)
        return false;
    const struct rlimit limit = {(rlim_t)(lowest + left), before->rlim_max};
    return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

/* The call has ended before anything ran; what wakes an event loop is there all the same. */
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
    CHECK(fcntl(FIRST, F_GETFD) >= 0); /* it does keep one */
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

/* ---- In the function ------------------------------------------------------------------------- */

/* It exits by the number of what went wrong: no answer can come from it. */
static int closes_all_and_has_files(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct files files;
    (void)args_size;
    close_everything();
    if (!open_everything(&files, *(const int *)args))
        _exit(41);
    if (!fork_has(&files))
        _exit(42);
    char *to = forkcall_buf_extend(result, LARGE_SIZE); /* in shared memory, if there is some */
    if (to == NULL)
        _exit(43);
    memset(to, 1, LARGE_SIZE);
    _exit(are_untouched(&files) ? 0 : 44);
}

static int closes_all_and_ends(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int how = *(const int *)args;
    (void)args_size;
    close_everything();
    if (how == 1)
        _exit(125);
    if (how == 2)
        exit(3);
    return forkcall_buf_append(result, "answer", 6);
}

static void function_that_closes_all_descriptors_and_ends(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        const struct forkcall_options options = {.timeout_ms = DEADLINE_S * 1000};
        const struct forkcall_report report = run_tested(closes_all_and_ends, &how, sizeof how, &result, &options);
        assert_int_equal(report.ran, FORKCALL_RAN_YES);
        assert_int_equal(result.size, 0);
        if (how == 0) {
            assert_status(report, status_of_closed_channel());
            if (report.status == FORKCALL_LOST)
                assert_string_equal(report.message,
                                    "the function has closed the descriptor that its answer goes through");
        } else if (how == 1) {
            assert_status(report, FORKCALL_EXITED);
            assert_int_equal(report.code, 125);
        } else if (report.status == FORKCALL_EXITED) { /* where exit() tells its status */
            assert_int_equal(report.code, 3);
        } else {
            assert_status(report, FORKCALL_LOST);
        }
    }
}

/* ---- Memory of a result that does not come --------------------------------------------------- */

/* In files of this process that have no name. */
static long memory_in_files(void)
{
    long blocks = 0;
    for (int fd = FIRST; fd < END; fd++) {
        struct stat file;
        if (fstat(fd, &file) == 0 && S_ISREG(file.st_mode) && file.st_nlink == 0)
            blocks += (long)file.st_blocks;
    }
    return blocks;
}

/* What stands in the way of giving the memory back. */
enum obstacle { NOTHING, A_SEAL, ANOTHER_PROCESS, OBSTACLES };

/* The file that the result is made in; -1: this system has none. */
static int file_of_result(void)
{
    for (int fd = FIRST; fd < END; fd++) {
        struct stat file;
        if (fstat(fd, &file) == 0 && S_ISREG(file.st_mode) && file.st_nlink == 0 && file.st_size > 0)
            return fd;
    }
    return -1;
}

/* A process that nobody kills with the function's, and that has its file: it tells its size when it
 * is asked. */
static bool leave_a_process(int file, int asks, int tells)
{
    char byte = 'r';
    const int held = dup(file);
    const pid_t pid = fork();
    if (pid == 0) {
        struct stat status = {.st_blocks = 0};
        alarm(4 * DEADLINE_S);
        if (setsid() < 0 || write(tells, &byte, 1) != 1 || read(asks, &byte, 1) != 1)
            _exit(1);
        fstat(held, &status);
        const long blocks = (long)status.st_blocks;
        _exit(write(tells, &blocks, sizeof blocks) == (ssize_t)sizeof blocks ? 0 : 1);
    }
    close(held);
    return pid > 0;
}

static int fills_a_result_and_is_killed(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int *what = args; /* the obstacle, and two descriptors */
    const size_t size = (size_t)8 << 20;
    char byte;
    char *to = forkcall_buf_extend(result, size);
    if (to == NULL)
        return 1;
    memset(to, 1, size);
    const int file = file_of_result();
#ifdef F_SEAL_SHRINK
    if (what[0] == A_SEAL && file >= 0 && fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK) < 0)
        return 2;
#endif
    if (what[0] == ANOTHER_PROCESS && !leave_a_process(file, what[1], what[2]))
        return 3;
    return read(what[3], &byte, 1) == 1 ? child_kills_itself(args, args_size, result) : 4;
}

static void check_that_memory_is_given_back(enum obstacle obstacle)
{
    struct forkcall_call *call;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const long before = memory_in_files();
    long held = 0;
    char byte;
    int asks[2] = {-1, -1};
    int tells[2] = {-1, -1};
    int go[2] = {-1, -1};
    assert_true(pipe(asks) == 0 && pipe(tells) == 0 && pipe(go) == 0);
    const int what[] = {(int)obstacle, asks[0], tells[1], go[0]};
    const struct forkcall_options options = {.keep_fds = what + 1, .keep_fds_count = 3};
    assert_int_equal(start_tested(&call, fills_a_result_and_is_killed, what, sizeof what, &result, &options), 0);
    if (obstacle == ANOTHER_PROCESS) /* has left the group */
        assert_int_equal(read(tells[0], &byte, 1), 1);
    assert_int_equal(write(go[1], "g", 1), 1);
    assert_int_equal(forkcall_wait(call, DEADLINE_S * 1000), 1);
    assert_int_equal(memory_in_files(), before);
    if (obstacle == ANOTHER_PROCESS) {
        assert_int_equal(write(asks[1], "a", 1), 1);
        assert_int_equal(read(tells[0], &held, sizeof held), sizeof held);
    }
    assert_int_equal(held, 0);
    const struct forkcall_report report = forkcall_finish(call);
    assert_status(report, FORKCALL_SIGNALED);
    assert_string_equal(report.message,
                        "killed by SIGKILL (by another process, or by the system, perhaps for want of memory)");
    for (int i = 0; i < 2; i++) {
        close(asks[i]);
        close(tells[i]);
        close(go[i]);
    }
}

static void memory_of_a_killed_child_is_given_back_before_the_call_is_finished(void **state)
{
    (void)state;
    for (int obstacle = 0; obstacle < OBSTACLES; obstacle++)
        check_that_memory_is_given_back((enum obstacle)obstacle);
}

static int duplicates_its_output_and_forks(const void *args, size_t args_size, struct forkcall_buf *result)
{
    int status;
    (void)args;
    (void)args_size;
    int copies[16]; /* one of them has the number that the stream's pipe had */
    for (int i = 0; i < 16; i++)
        copies[i] = dup(STDOUT_FILENO);
    const pid_t pid = fork();
    for (int i = 0; pid == 0 && i < 16; i++)
        if (fcntl(copies[i], F_GETFD) < 0)
            _exit(1);
    if (pid == 0)
        _exit(0);
    return waitpid(pid, &status, 0) == pid && status == 0 ? child_answers_42(NULL, 0, result) : 1;
}

static void function_that_closes_all_descriptors_keeps_its_files(void **state)
{
    (void)state;
    for (int turn = 0; turn < 4; turn++) {
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        const struct forkcall_options options = {.timeout_ms = DEADLINE_S * 1000};
        const struct forkcall_report report =
            run_tested(closes_all_and_has_files, &turn, sizeof turn, &result, &options);
        assert_status(report, FORKCALL_EXITED);
        assert_int_equal(report.code, 0);
        forkcall_buf_free(&result);
    }
}

static int ignore_output(void *user, int stream, const char *data, size_t size)
{
    (void)user;
    (void)stream;
    (void)data;
    (void)size;
    return 0;
}

static void captured_stream_that_the_function_duplicates(void **state)
{
    (void)state;
    int answer = 0;
    struct forkcall_buf result = forkcall_buf_fixed(&answer, sizeof answer);
    const struct forkcall_options options = {.standard_output = FORKCALL_STREAM_CAPTURE, .output = ignore_output};
    const struct forkcall_report report = run_tested(duplicates_its_output_and_forks, NULL, 0, &result, &options);
    assert_status(report, FORKCALL_OK);
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
        cmocka_unit_test(function_that_closes_all_descriptors_keeps_its_files),
        cmocka_unit_test(function_that_closes_all_descriptors_and_ends),
        cmocka_unit_test(memory_of_a_killed_child_is_given_back_before_the_call_is_finished),
        cmocka_unit_test(captured_stream_that_the_function_duplicates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
