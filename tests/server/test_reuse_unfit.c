/* Tests which children serve no other call, because something of a call is left in them. */
#include "reused_child.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *waits_for_ever(void *unused)
{
    for (;;)
        pause();
    return unused;
}

static void nothing(int signal)
{
    (void)signal;
}

/* What a function may leave. Each is done by the child, which then returns 0. */
enum left {
    A_THREAD,
    A_CHILD,
    A_ZOMBIE,
    A_HANDLER,
    A_HANDLER_OF_A_REAL_TIME_SIGNAL,
    AN_IGNORED_SIGNAL,
    ANOTHER_CRASH_HANDLER,
    ANOTHER_ALTERNATE_STACK,
    A_BLOCKED_SIGNAL,
    A_PENDING_SIGNAL,
    AN_ALARM,
    A_DESCRIPTOR,
    A_HIGH_DESCRIPTOR,
    A_CLOSED_DESCRIPTOR,
    A_REPLACED_DESCRIPTOR,
    ALL_CLOSED_ABOVE_2,
    ANOTHER_DIRECTORY,
    ANOTHER_GROUP,
    ANOTHER_UMASK,
    A_LIMIT,
    NO_NEW_PRIVILEGES,
    LEFT_COUNT
};

static int leave_a_process(bool dead)
{
    const pid_t pid = fork();
    if (pid == 0 && dead)
        _exit(0);
    if (pid == 0) {
        alarm(1); /* it outlives the call, and not the test */
        waits_for_ever(NULL);
    }
    return pid < 0;
}

static int leave_a_signal(int how)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    if (how == A_PENDING_SIGNAL || how == A_BLOCKED_SIGNAL)
        sigprocmask(SIG_BLOCK, &set, NULL);
    return how == A_PENDING_SIGNAL ? raise(SIGUSR2) : 0;
}

static int leave_descriptors(int how)
{
    const int fd = how == A_CLOSED_DESCRIPTOR || how == ALL_CLOSED_ABOVE_2 ? 0 : open("/dev/zero", O_RDWR | O_CLOEXEC);
    switch (how) {
    case A_DESCRIPTOR:
        return fd < 0;
    case A_HIGH_DESCRIPTOR:
        return dup2(fd, 200) < 0 || close(fd) < 0;
    case A_CLOSED_DESCRIPTOR:
        return close(0);
    case A_REPLACED_DESCRIPTOR:
        return dup2(fd, 0) < 0 || close(fd) < 0;
    default:
        for (int i = 3; i < 64; i++)
            if (fcntl(i, F_GETFD) >= 0 && i != reply_fd())
                close(i);
        return 0;
    }
}

static int leave(int what)
{
    static unsigned char other_stack[65536];
    const stack_t stack = {.ss_sp = other_stack, .ss_size = sizeof other_stack};
    const struct rlimit limit = {.rlim_cur = 50, .rlim_max = 50};
    pthread_t thread;
    switch ((enum left)what) {
    case A_THREAD:
        return pthread_create(&thread, NULL, waits_for_ever, NULL);
    case A_CHILD:
    case A_ZOMBIE:
        return leave_a_process(what == A_ZOMBIE);
    case A_HANDLER:
        return signal(SIGUSR1, nothing) == SIG_ERR;
    case A_HANDLER_OF_A_REAL_TIME_SIGNAL:
        return signal(SIGRTMIN + 3, nothing) == SIG_ERR;
    case AN_IGNORED_SIGNAL:
        return signal(SIGPIPE, SIG_IGN) == SIG_ERR;
    case ANOTHER_CRASH_HANDLER:
        return signal(SIGSEGV, nothing) == SIG_ERR;
    case ANOTHER_ALTERNATE_STACK:
        return sigaltstack(&stack, NULL);
    case A_BLOCKED_SIGNAL:
    case A_PENDING_SIGNAL:
        return leave_a_signal(what);
    case AN_ALARM:
        alarm(1000);
        return 0;
    case A_DESCRIPTOR:
    case A_HIGH_DESCRIPTOR:
    case A_CLOSED_DESCRIPTOR:
    case A_REPLACED_DESCRIPTOR:
    case ALL_CLOSED_ABOVE_2:
        return leave_descriptors(what);
    case ANOTHER_DIRECTORY:
        return chdir("/proc");
    case ANOTHER_GROUP:
        return setpgid(0, getpgid(getppid()));
    case ANOTHER_UMASK:
        umask(0123);
        return 0;
    case A_LIMIT:
        return setrlimit(RLIMIT_NOFILE, &limit);
    case NO_NEW_PRIVILEGES:
        return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    case LEFT_COUNT:
        break;
    }
    return 1;
}

static int leaves(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    return leave(*(const int *)args);
}

/* True: the host itself was started with it, so the child would leave nothing that is new. */
static bool is_so_already(int what)
{
    return what == NO_NEW_PRIVILEGES && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
}

/* Each kind of remains is left in a child that has served a call before. */
static void a_child_in_which_something_is_left_serves_no_other_call(void **state)
{
    (void)state;
    NEED_KEPT_CHILDREN;
    for (int what = 0; what < LEFT_COUNT; what++) {
        if (is_so_already(what))
            continue;
        const pid_t pid = call_reusing(child_returns_0);
        const struct forkcall_report report = run_settled(leaves, &what, sizeof what, NULL, &reuse);
        assert_status(report, FORKCALL_OK);
        assert_int_equal(report.pid, pid);
        if (call_reusing(child_returns_0) == pid)
            fail_msg("a child was used again in which %d was left", what);
    }
}

/* The same, in a child that serves its first call: what it has is noted before the function. */
static void the_first_call_of_a_child_is_looked_at_like_the_others(void **state)
{
    (void)state;
    NEED_KEPT_CHILDREN;
    for (int what = 0; what < LEFT_COUNT; what++) {
        if (is_so_already(what))
            continue;
        assert_int_equal(forkcall_server_stop(), 0);
        const struct forkcall_report report = run_settled(leaves, &what, sizeof what, NULL, &reuse);
        assert_status(report, FORKCALL_OK);
        if (call_reusing(child_returns_0) == report.pid)
            fail_msg("a child was used again in which %d was left", what);
    }
}
/* Makes a process past the C library, which counts as the child itself. */
static int returns_in_another_process(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    if (syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL) == 0)
        return forkcall_buf_append(result, "other", 5);
    waits_for_ever(NULL);
    return 1;
}

static void a_process_that_returns_in_the_childs_place_serves_no_other_call(void **state)
{
    (void)state;
#ifdef __s390__
    SKIP("clone(2) takes its arguments in another order here");
#endif
    NEED_KEPT_CHILDREN;
    const pid_t pid = call_reusing(child_returns_0);
    const struct forkcall_report report = run_settled(returns_in_another_process, NULL, 0, NULL, &reuse);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(report.pid, pid);
    usleep(20000);
    assert_int_not_equal(call_reusing(child_returns_0), pid);
}

/* More than the library's are looked at one by one. */
static int opens_many(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    for (int i = 0; i < 40; i++)
        if (open("/dev/null", O_RDONLY | O_CLOEXEC) < 0)
            return 1;
    return 0;
}

#define LARGE_RESULT 300000U /* it does not travel in the pipe */

static int makes_a_result_and_fails(const void *args, size_t args_size, struct forkcall_buf *result)
{
    void *place = forkcall_buf_extend(result, LARGE_RESULT);
    (void)args;
    (void)args_size;
    if (place != NULL)
        memset(place, 'A', LARGE_RESULT);
    return 5;
}

static int writes_nothing_into_its_result(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    return forkcall_buf_extend(result, LARGE_RESULT) == NULL;
}

static void a_result_that_was_dropped_is_not_seen_by_the_next_call(void **state)
{
    const struct forkcall_server_options many = {.prepare = opens_many};
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    (void)state;
    NEED_KEPT_CHILDREN;
    assert_int_equal(forkcall_server_stop(), 0);
    assert_int_equal(forkcall_server_start(&many), 0);
    const struct forkcall_report first = run_settled(makes_a_result_and_fails, NULL, 0, &result, &reuse);
    const struct forkcall_report second = run_settled(writes_nothing_into_its_result, NULL, 0, &result, &reuse);
    assert_status(first, FORKCALL_FAILED);
    assert_status(second, FORKCALL_OK);
    assert_int_equal(result.size, LARGE_RESULT);
    assert_null(memchr(result.data, 'A', result.size));
    forkcall_buf_free(&result);
}

/* The memory of a result is the only empty file without a name that the child has. */
static int replaces_the_memory_of_its_result(const void *args, size_t args_size, struct forkcall_buf *result)
{
    char name[] = "/tmp/forkcall-test-XXXXXX";
    struct stat file;
    (void)args;
    (void)args_size;
    (void)result;
    const int other = mkstemp(name);
    if (other < 0 || unlink(name) < 0)
        return 1;
    for (int fd = 3; fd < 200; fd++)
        if (fd != other && fstat(fd, &file) == 0 && S_ISREG(file.st_mode) && file.st_nlink == 0 && file.st_size == 0)
            return dup3(other, fd, O_CLOEXEC) == fd && close(other) == 0 ? 0 : 2;
    return 3;
}

static void a_child_with_other_memory_for_results_serves_no_other_call(void **state)
{
    (void)state;
    NEED_KEPT_CHILDREN;
    for (int i = 0; i < 2; i++) {
        const struct forkcall_server_options options = {.prepare = i == 0 ? NULL : opens_many};
        assert_int_equal(forkcall_server_stop(), 0);
        assert_int_equal(forkcall_server_start(&options), 0);
        const pid_t pid = call_reusing(child_returns_0);
        const struct forkcall_report report = run_settled(replaces_the_memory_of_its_result, NULL, 0, NULL, &reuse);
        assert_status(report, FORKCALL_OK);
        assert_int_equal(report.pid, pid);
        assert_int_not_equal(call_reusing(child_returns_0), pid);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REUSE_TEST(a_child_in_which_something_is_left_serves_no_other_call),
        REUSE_TEST(the_first_call_of_a_child_is_looked_at_like_the_others),
        REUSE_TEST(a_process_that_returns_in_the_childs_place_serves_no_other_call),
        REUSE_TEST(a_result_that_was_dropped_is_not_seen_by_the_next_call),
        REUSE_TEST(a_child_with_other_memory_for_results_serves_no_other_call),
    };
    forkcall_init();
    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
