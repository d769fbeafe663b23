/* Tests scarcity of descriptors, of room in a socket, and of other things that a server and its
 * host need: no call loses its server or its child by it. */
#include "refuse_syscalls.h"
#include "servers.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#if __has_include(<linux/seccomp.h>)
#include <linux/filter.h>
#include <linux/seccomp.h>
#endif

/* The half of a 64-bit argument that a filter compares. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define FIRST_HALF 4
#else
#define FIRST_HALF 0
#endif

static struct forkcall_options patient = {.method = FORKCALL_SERVER}; /* main() sets timeout_ms */

/* ---- Scarce descriptors ---------------------------------------------------------------------- */

/* args: the path of a file. Runs until the file is removed, which takes longer than the first call
 * waits. */
static int prepare_slowly(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    const int fd = open(args, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0; /* on a busy machine it is gone before this server comes here */
    if (fd < 0 || write(fd, "p", 1) != 1)
        return errno;
    while (access(args, F_OK) == 0) /* until the test removes the file */
        usleep(2000);
    return 0;
}

static int lack_a_descriptor_for_the_server(void *context)
{
    const char *path = context;
    const struct rlimit few = {64, 64};
    struct stat status;
    int taken[64];
    int count = 0;
    const int file = open(path, O_RDWR | O_CLOEXEC);
    const struct forkcall_server_options options = {
        .prepare = prepare_slowly, .prepare_args = path, .prepare_args_size = strlen(path) + 1, .timeout_ms = 1};
    CHECK(file >= 0 && setrlimit(RLIMIT_NOFILE, &few) == 0);
    CHECK(forkcall_server_start(&options) == -ETIMEDOUT);
    const struct forkcall_options hasty = {.method = FORKCALL_SERVER, .timeout_ms = 100};
    struct forkcall_report report;
    do { /* This call starts a server, and the next one waits for it. */
        report = forkcall_run(child_returns_0, NULL, 0, NULL, &hasty);
        CHECK(report.status == FORKCALL_TIMED_OUT);
    } while (forkcall_server_start(NULL) != -EALREADY);
    while (count < 64 && (taken[count] = dup(file)) >= 0)
        count++;
    CHECK(unlink(path) == 0);
    for (int i = 0; i < 3; i++) {
        report = forkcall_run(child_returns_0, NULL, 0, NULL, &patient);
        CHECK(ended(&report, FORKCALL_NOT_STARTED, FORKCALL_RAN_NO) && report.code == EMFILE);
    }
    while (count > 0)
        close(taken[--count]);
    CHECK(ask(FORKCALL_SERVER, child_returns_0, NULL, 0, NULL, 0));
    /* At most two servers ran prepare: the one that was given up, and the present one. */
    CHECK(fstat(file, &status) == 0 && status.st_size <= 2);
    return 0;
}

static void server_that_found_no_descriptor_in_its_host_is_there_when_it_does(void **state)
{
    (void)state;
#ifdef TEST_PORTABLE
    SKIP("the server sends no descriptor of its own");
#endif
    char path[] = "/tmp/forkcall-slow-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    const int status = host_run(lack_a_descriptor_for_the_server, path);
    unlink(path);
    assert_int_equal(status, 0);
}

/* ---- More descriptors than a socket holds ---------------------------------------------------- */

#define MANY 2000

/* In a child of the server: how long it waits before it reads its descriptors. In the server: how
 * long its children wait. */
static int rest_ms;
static pid_t server_itself;
/* The sockets made from now on hold only a few messages. */
static bool sockets_are_small;
/* So many pairs of sockets there are no descriptors for; and how many were asked for. */
static int pairs_refused, pairs_wanted;

#ifdef SANITIZED
#define CAN_INTERPOSE false
#else
#define CAN_INTERPOSE true
static ssize_t (*real_recvmsg)(int, struct msghdr *, int);
static int (*real_socketpair)(int, int, int, int[2]);

__attribute__((constructor)) static void find_functions(void)
{
    *(void **)&real_recvmsg = dlsym(RTLD_NEXT, "recvmsg");
    *(void **)&real_socketpair = dlsym(RTLD_NEXT, "socketpair");
}

// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): the C library's names are reserved
int socketpair(int domain, int type, int protocol, int ends[2])
{
    pairs_wanted++;
    if (pairs_refused > 0) {
        pairs_refused--;
        errno = EMFILE;
        return -1;
    }
    const int r = real_socketpair(domain, type, protocol, ends);
    for (int i = 0; r == 0 && sockets_are_small && i < 2; i++)
        setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &(int){4096}, sizeof(int));
    return r;
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    if (rest_ms > 0 && getpid() != server_itself) {
        usleep((useconds_t)rest_ms * 1000);
        rest_ms = 0;
    }
    return real_recvmsg(fd, message, flags);
}
#endif

static int child_has_the_last(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    return fcntl(*(const int *)args, F_GETFD) < 0 ? errno : 0;
}

static int keep_many(void *unused)
{
    static int list[MANY];
    const struct rlimit many = {MANY + 200, MANY + 200};
    (void)unused;
    if (setrlimit(RLIMIT_NOFILE, &many) < 0)
        return NOT_HERE;
    const pid_t server = server_pid();
    sockets_are_small = true;
    for (int i = 0; i < MANY; i++)
        CHECK((list[i] = fcntl(STDERR_FILENO, F_DUPFD, 10)) >= 0);
    struct forkcall_options options = patient;
    options.keep_fds = list;
    options.keep_fds_count = MANY;
    const struct forkcall_report report =
        forkcall_run(child_has_the_last, &list[MANY - 1], sizeof list[MANY - 1], NULL, &options);
    CHECK(ended(&report, FORKCALL_OK, FORKCALL_RAN_YES));
    for (int i = 0; i < MANY; i++)
        close(list[i]);
    CHECK(server_pid() == server);
    return 0;
}

static void more_keep_fds_than_a_socket_holds(void **state)
{
    (void)state;
    if (!CAN_INTERPOSE)
        SKIP("the tool interposes the same function");
    const int status = host_run(keep_many, NULL);
    if (status == NOT_HERE)
        SKIP("so many descriptors are not allowed here");
    assert_int_equal(status, 0);
}

static int prepare_to_rest(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    rest_ms = *(const int *)args;
    server_itself = getpid();
    return 0;
}

static int start_with_rest(int ms, int list[MANY])
{
    const struct rlimit many = {MANY + 200, MANY + 200};
    const struct forkcall_server_options options = {
        .prepare = prepare_to_rest, .prepare_args = &ms, .prepare_args_size = sizeof ms};
    if (setrlimit(RLIMIT_NOFILE, &many) < 0)
        return NOT_HERE;
    CHECK(forkcall_server_start(&options) == 0);
    sockets_are_small = true;
    for (int i = 0; i < MANY; i++)
        CHECK((list[i] = fcntl(STDERR_FILENO, F_DUPFD, 10)) >= 0);
    return 0;
}

static int keep_many_of_a_slow_reader(void *unused)
{
    static int list[MANY];
    struct forkcall_options options = patient;
    (void)unused;
    const int failed = start_with_rest(50, list);
    if (failed != 0)
        return failed;
    const pid_t server = server_pid();
    options.keep_fds = list;
    options.keep_fds_count = MANY;
    const struct forkcall_report report =
        forkcall_run(child_has_the_last, &list[MANY - 1], sizeof list[MANY - 1], NULL, &options);
    CHECK(ended(&report, FORKCALL_OK, FORKCALL_RAN_YES));
    CHECK(server > 0 && server_pid() == server);
    return 0;
}

static void keep_fds_go_on_to_a_child_that_is_there_before_all_are_sent(void **state)
{
    (void)state;
    if (!CAN_INTERPOSE)
        SKIP("the tool interposes the same function");
    const int status = host_run(keep_many_of_a_slow_reader, NULL);
    if (status == NOT_HERE)
        SKIP("so many descriptors are not allowed here");
    assert_int_equal(status, 0);
}

static int keep_many_of_one_that_never_reads(void *unused)
{
    static int list[MANY];
    (void)unused;
    const int failed = start_with_rest(4 * DEADLINE_S * 1000, list);
    if (failed != 0)
        return failed;
    const pid_t server = server_pid();
    CHECK(server > 0 && spares_are(server, 2));
    const struct traces before = traces_now();
    const struct forkcall_options options = {
        .method = FORKCALL_SERVER, .timeout_ms = 300, .keep_fds = list, .keep_fds_count = MANY};
    const struct forkcall_report report =
        forkcall_run(child_has_the_last, &list[MANY - 1], sizeof list[MANY - 1], NULL, &options);
    CHECK(ended(&report, FORKCALL_TIMED_OUT, FORKCALL_RAN_NO));
    CHECK(traces_now().descriptors == before.descriptors);
    CHECK(spares_are(server, 2) && server_pid() == server);
    return 0;
}

static void child_that_does_not_get_all_keep_fds_goes_back_to_the_server(void **state)
{
    (void)state;
    if (!CAN_INTERPOSE)
        SKIP("the tool interposes the same function");
    const int status = host_run(keep_many_of_one_that_never_reads, NULL);
    if (status == NOT_HERE)
        SKIP("so many descriptors are not allowed here");
    assert_int_equal(status, 0);
}

/* ---- Room in the control socket -------------------------------------------------------------- */

#define FILLERS 40 /* each leaves two orders, of which a small socket holds some ten */

static bool is_stopped(void *pid)
{
    return state_of(*(pid_t *)pid) == 'T';
}

static int end_a_call_while_the_socket_is_full(void *unused)
{
    struct waiter waiter;
    struct forkcall_report report;
    (void)unused;
    sockets_are_small = true;
    int server = server_pid();
    CHECK(server > 0 && spares_are(server, 2) && waiter_begin(&waiter) == 0);
    CHECK(kill(server, SIGSTOP) == 0 && wait_until(is_stopped, &server));
    const struct forkcall_options hasty = {
        .method = FORKCALL_SERVER, .timeout_ms = 1, .keep_fds = &waiter.go[0], .keep_fds_count = 1};
    for (int i = 0; i < FILLERS; i++) {
        report = forkcall_run(child_returns_0, NULL, 0, NULL, &hasty);
        CHECK(ended(&report, FORKCALL_TIMED_OUT, FORKCALL_RAN_NO));
    }
    CHECK(write(waiter.go[1], "g", 1) == 1);
    report = forkcall_finish(waiter.call);
    CHECK(ended(&report, FORKCALL_OK, FORKCALL_RAN_YES));
    CHECK(kill(server, SIGCONT) == 0);
    /* The server may have read few of the orders before the spares are used up. */
    for (int i = 0; i < 4; i++)
        CHECK(server_pid() == server);
    CHECK(spares_are(server, 2));
    return 0;
}

static void end_of_a_call_is_told_later_where_the_socket_is_full(void **state)
{
    (void)state;
    if (!CAN_INTERPOSE)
        SKIP("the tool interposes the same function");
    assert_int_equal(host_run(end_a_call_while_the_socket_is_full, NULL), 0);
}

/* ---- Asking a server how a child has ended --------------------------------------------------- */

/* So the kernel tells nobody but the parent how a process has ended, as before Linux 6.15. */
static bool only_the_parent_is_told(void)
{
#ifdef SYS_ioctl
    /* All requests of pidfds have this letter (PIDFS_IOCTL_MAGIC). */
    const struct refusal of_pidfds = {SYS_ioctl, ENOTTY, 1, REFUSE_IF_MASKED_IS, 0xff00, 0xff00};
    return refuse(&of_pidfds, 1);
#else
    return false;
#endif
}

static int kill_a_child_whose_end_cannot_be_asked_for(void *unused)
{
    (void)unused;
    if (!only_the_parent_is_told())
        return NOT_HERE;
    for (int refused = 0; refused <= 2; refused++) {
        struct waiter waiter;
        const pid_t server = server_pid();
        CHECK(server > 0 && waiter_begin(&waiter) == 0);
        pairs_refused = refused;
        CHECK(kill(waiter.child, SIGKILL) == 0);
        const struct forkcall_report report = forkcall_finish(waiter.call);
        CHECK(ended(&report, FORKCALL_SIGNALED, FORKCALL_RAN_YES) && report.code == SIGKILL);
        pairs_refused = 0;
        CHECK(server_pid() == server);
    }
    return 0;
}

static void end_of_a_child_is_asked_for_until_there_are_descriptors_to_ask(void **state)
{
    (void)state;
    if (!CAN_INTERPOSE)
        SKIP("the tool interposes the same function");
    const int status = host_run(kill_a_child_whose_end_cannot_be_asked_for, NULL);
    if (status == NOT_HERE)
        SKIP("no seccomp(2)");
    assert_int_equal(status, 0);
}

static int kill_the_server_of_a_call(void *unused)
{
    struct waiter waiter;
    int server = server_pid();
    (void)unused;
    CHECK(server > 0 && waiter_begin(&waiter) == 0);
    CHECK(kill(server, SIGKILL) == 0 && wait_until(process_is_gone, &server));
    /* On Linux the child dies with its server. */
    CHECK(kill(waiter.child, SIGKILL) == 0 || errno == ESRCH);
    pairs_wanted = 0;
    const struct forkcall_report report = forkcall_finish(waiter.call);
    CHECK(report.status == FORKCALL_SIGNALED || report.status == FORKCALL_LOST);
    CHECK(report.ran == FORKCALL_RAN_YES && pairs_wanted <= 1);
    return 0;
}

static void server_that_is_gone_is_not_asked_again(void **state)
{
    (void)state;
    if (!CAN_INTERPOSE)
        SKIP("the tool interposes the same function");
    assert_int_equal(host_run(kill_the_server_of_a_call, NULL), 0);
}

/* ---- Descriptors in transit ------------------------------------------------------------------ */

#define UNDER_WAY 100

static bool is_too_many(const struct forkcall_report *report)
{
    return ended(report, FORKCALL_NOT_STARTED, FORKCALL_RAN_NO) && report->code == ETOOMANYREFS &&
           strstr(report->message, "ETOOMANYREFS") != NULL && strstr(report->message, "RLIMIT_NOFILE") != NULL;
}

static int send_stream(int socket)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    struct iovec part = {.iov_base = "d", .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.header), &(int){STDERR_FILENO}, sizeof(int));
    return sendmsg(socket, &message, MSG_DONTWAIT) == 1 ? 0 : errno;
}

static int call_with_many_under_way(void *unused)
{
    const struct rlimit few = {64, 64};
    const unsigned user = lonely_user();
    int ends[2], sent = 0, error = 0;
    (void)unused;
    if (setresgid(user, user, user) < 0 || setresuid(user, user, user) < 0)
        return NOT_HERE;
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    const struct forkcall_report first = forkcall_run(child_returns_0, NULL, 0, NULL, &patient);
    if (first.status != FORKCALL_OK)
        return NOT_HERE; /* the user may not read this program */
    CHECK(forkcall_server_stop() == 0);
    while (sent < UNDER_WAY && (error = send_stream(ends[0])) == 0)
        sent++;
    if (error != ETOOMANYREFS)
        return NOT_HERE;
    for (int i = 0; i < 3; i++) {
        const struct forkcall_report report = forkcall_run(child_returns_0, NULL, 0, NULL, &patient);
        CHECK(is_too_many(&report));
    }
    CHECK(forkcall_server_start(NULL) == -EALREADY && close(ends[0]) == 0 && close(ends[1]) == 0);
    CHECK(server_pid() > 0 && forkcall_server_start(NULL) == -EALREADY);
    return 0;
}

static void too_many_descriptors_under_way_are_told_and_cost_no_server(void **state)
{
    (void)state;
    const int status = host_run(call_with_many_under_way, NULL);
    if (status == NOT_HERE)
        SKIP("no limit for them here, or no other user");
    assert_int_equal(status, 0);
}

/* ---- A pipe that cannot be made non-blocking ------------------------------------------------- */

#if defined SECCOMP_RET_ERRNO && defined SYS_fcntl
#ifdef SYS_fcntl64 /* 32-bit systems have both calls, and the C library uses this one */
#define FCNTL SYS_fcntl64
#else
#define FCNTL SYS_fcntl
#endif

static int prepare_to_block(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        /* Without a signalfd the server uses a pipe. After ENOSYS musl tries an older call. */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_signalfd4, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FCNTL, 0, 5),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1]) + FIRST_HALF),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, F_SETFL, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2]) + FIRST_HALF),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_NONBLOCK, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    const struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    (void)args;
    (void)args_size;
    (void)result;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0
               ? ENOSYS
               : 0;
}

static int start_where_pipes_block(void *unused)
{
    const struct forkcall_server_options options = {.prepare = prepare_to_block};
    (void)unused;
    CHECK(server_pid() > 0 && forkcall_server_stop() == 0);
    const struct traces before = traces_now();
    const int r = forkcall_server_start(&options);
    if (r == -ECANCELED)
        return NOT_HERE;
    CHECK(r == -EPERM);
    const struct forkcall_report report = forkcall_run(child_returns_0, NULL, 0, NULL, &patient);
    CHECK(ended(&report, FORKCALL_NOT_STARTED, FORKCALL_RAN_NO) && report.code == EPERM);
    CHECK(traces_now().descriptors == before.descriptors);
    return 0;
}

static void server_that_would_block_where_it_must_not_does_not_serve(void **state)
{
    (void)state;
    const int status = host_run(start_where_pipes_block, NULL);
    if (status == NOT_HERE)
        SKIP("no seccomp(2)");
    assert_int_equal(status, 0);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_that_found_no_descriptor_in_its_host_is_there_when_it_does),
        cmocka_unit_test(more_keep_fds_than_a_socket_holds),
        cmocka_unit_test(keep_fds_go_on_to_a_child_that_is_there_before_all_are_sent),
        cmocka_unit_test(child_that_does_not_get_all_keep_fds_goes_back_to_the_server),
        cmocka_unit_test(end_of_a_call_is_told_later_where_the_socket_is_full),
        cmocka_unit_test(end_of_a_child_is_asked_for_until_there_are_descriptors_to_ask),
        cmocka_unit_test(server_that_is_gone_is_not_asked_again),
        cmocka_unit_test(too_many_descriptors_under_way_are_told_and_cost_no_server),
#if defined SECCOMP_RET_ERRNO && defined SYS_fcntl
        cmocka_unit_test(server_that_would_block_where_it_must_not_does_not_serve),
#endif
    };
    forkcall_init();
    patient.timeout_ms = PLENTY_MS;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
