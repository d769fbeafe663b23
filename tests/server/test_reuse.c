/* Tests options.reuse_child: which children serve another call, which do not, and that a call in a
 * child that has served others is like any call. */
#include "children.h"
#include "forged_reply.h"
#include "refuse_syscalls.h"
#include "servers.h"

#include "call/call.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct forkcall_options reuse = {.method = FORKCALL_SERVER, .reuse_child = true, .timeout_ms = PLENTY_MS};
static const struct forkcall_options fresh = {.method = FORKCALL_SERVER, .timeout_ms = PLENTY_MS};

static bool has_settled(void *pid)
{
    const char state = process_state(*(pid_t *)pid);
    return state != 'R' && state != 'D';
}

/* Makes a call, and waits until its child has looked at itself, and waits or has ended. Else a child
 * that a busy machine lets wait for its turn is passed by, and the next call has a fresh one. */
static struct forkcall_report run(forkcall_fn *fn, const void *args, size_t args_size, struct forkcall_buf *result,
                                  const struct forkcall_options *options)
{
    const struct forkcall_report report = forkcall_run(fn, args, args_size, result, options);
    pid_t pid = report.pid;
    if (pid > 0 && !wait_until(has_settled, &pid))
        fprintf(stderr, "a child runs on after its call\n");
    return report;
}

/* A call with reuse_child that must be OK. Returns the child's pid. */
static pid_t call_reusing(forkcall_fn *fn)
{
    const struct forkcall_report report = run(fn, NULL, 0, NULL, &reuse);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(report.ran, FORKCALL_RAN_YES);
    return report.pid;
}

/* True: this system keeps children. Where it never does each call must still be right, so the other
 * tests are skipped. */
static bool children_are_kept(void)
{
    const pid_t first = call_reusing(child_returns_0);
    return call_reusing(child_returns_0) == first;
}

static bool may_have_none(void)
{
#ifdef TEST_PORTABLE
    return true;
#endif
    return has_musl() || under_sanitizer() || under_valgrind() || under_emulator();
}

#define NEED_KEPT_CHILDREN                 \
    do {                                   \
        if (!children_are_kept()) {        \
            assert_true(may_have_none());  \
            SKIP("no child is kept here"); \
        }                                  \
    } while (0)

/* The number of the reply's descriptor in a child: only the reply is the writing end of a pipe. */
static int reply_fd(void)
{
    struct stat file;
    for (int fd = 3; fd < 256; fd++)
        if (fstat(fd, &file) == 0 && S_ISFIFO(file.st_mode) && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY)
            return fd;
    return -1;
}

static int begin(void **state)
{
    clear_shared_memory();
    (void)state;
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    return forkcall_server_stop();
}

/* ---- Kept ------------------------------------------------------------------------------------ */

static int counts_calls(const void *args, size_t args_size, struct forkcall_buf *result)
{
    static int calls;
    (void)args;
    (void)args_size;
    calls++;
    return forkcall_buf_append(result, &calls, sizeof calls);
}

static int count(const struct forkcall_options *options)
{
    int calls = -1;
    struct forkcall_buf result = forkcall_buf_fixed(&calls, sizeof calls);
    const struct forkcall_report report = run(counts_calls, NULL, 0, &result, options);
    assert_status(report, FORKCALL_OK);
    return calls;
}

static void calls_that_allow_it_share_a_child_one_after_another(void **state)
{
    (void)state;
    NEED_KEPT_CHILDREN;
    for (int i = 1; i <= 20; i++)
        assert_int_equal(count(&reuse), i);
}

static void a_call_without_it_has_a_fresh_child_and_no_other_gets_that_child(void **state)
{
    (void)state;
    NEED_KEPT_CHILDREN;
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(count(&reuse), i);
        assert_int_equal(count(&fresh), 1);
    }
}

static void *returns_at_once(void *unused)
{
    return unused;
}

static int tidies_up(const void *args, size_t args_size, struct forkcall_buf *result)
{
    sigset_t set;
    (void)args;
    (void)args_size;
    const int fd = open("/dev/null", O_RDWR);
    const pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    pthread_t thread;
    if (pthread_create(&thread, NULL, returns_at_once, NULL) != 0 || pthread_join(thread, NULL) != 0)
        return 2;
    if (fd < 0 || close(fd) < 0 || pid < 0 || waitpid(pid, NULL, 0) != pid)
        return 1;
    return forkcall_buf_append(result, "tidy", 4);
}

static void a_function_that_tidies_up_leaves_its_child_fit(void **state)
{
    (void)state;
    NEED_KEPT_CHILDREN;
    const pid_t pid = call_reusing(tidies_up);
    assert_int_equal(call_reusing(tidies_up), pid);
    assert_int_equal(call_reusing(child_returns_0), pid);
}

static int fails_with_words(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    forkcall_buf_append(result, "no", 2);
    return forkcall_fail(*(const int *)args, "call %d", *(const int *)args);
}

static void a_failure_leaves_the_child_fit_and_no_words_to_the_next_call(void **state)
{
    (void)state;
    NEED_KEPT_CHILDREN;
    const pid_t pid = call_reusing(child_returns_0);
    for (int i = 1; i < 4; i++) {
        char text[32];
        snprintf(text, sizeof text, "call %d", i);
        const struct forkcall_report report = run(fails_with_words, &i, sizeof i, NULL, &reuse);
        assert_status(report, FORKCALL_FAILED);
        assert_int_equal(report.code, i);
        assert_string_equal(report.message, text);
        assert_int_equal(report.pid, pid);
        const struct forkcall_report silent = run(child_fails_7, NULL, 0, NULL, &reuse);
        assert_status(silent, FORKCALL_FAILED);
        assert_null(strstr(silent.message, "call"));
        assert_int_equal(silent.pid, pid);
    }
}

static void note_handler(void)
{
    ++*(int *)shared_memory();
}

/* Registered by main: no child may run it. */
static void handler_of_the_program(void)
{
    if (forkcall_in_child())
        *(int *)shared_memory() += 1000;
}

static int registers_a_handler(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    return atexit(note_handler);
}

static void exit_handlers_of_each_call_run_once_at_its_return(void **state)
{
    (void)state;
    NEED_KEPT_CHILDREN;
    const pid_t pid = call_reusing(child_returns_0);
    for (int i = 1; i <= 5; i++) {
        assert_int_equal(call_reusing(registers_a_handler), pid);
        assert_int_equal(*(int *)shared_memory(), i);
    }
    assert_int_equal(call_reusing(child_returns_0), pid);
    assert_int_equal(*(int *)shared_memory(), 5);
}

/* args: how large a result. */
static int fills(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const size_t size = *(const size_t *)args;
    (void)args_size;
    char *data = forkcall_buf_extend(result, size);
    if (data == NULL)
        return 1;
    memset(data, 'x', size);
    return 0;
}

static void results_of_every_size_are_whole(void **state)
{
    static const size_t sizes[] = {0, 1, 200, 1024, 1025, 100000, 131072, 131073, 5000000, 3, 0};
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const struct forkcall_report report = run(fills, &sizes[i], sizeof sizes[i], &result, &reuse);
        assert_status(report, FORKCALL_OK);
        assert_int_equal(result.size, sizes[i]);
        for (size_t at = 0; at < result.size; at += 997)
            assert_int_equal(((char *)result.data)[at], 'x');
    }
    forkcall_buf_free(&result);
}

static void a_result_of_128_KiB_leaves_the_child_fit(void **state)
{
    static const size_t size = 131072;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    (void)state;
    NEED_KEPT_CHILDREN;
    const pid_t pid = run(fills, &size, sizeof size, &result, &reuse).pid;
    assert_int_equal(run(fills, &size, sizeof size, &result, &reuse).pid, pid);
    assert_int_equal(result.size, size);
    forkcall_buf_free(&result);
}

static int burns(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct rusage now, then;
    (void)args;
    (void)args_size;
    (void)result;
    getrusage(RUSAGE_SELF, &then);
    do
        getrusage(RUSAGE_SELF, &now);
    while ((now.ru_utime.tv_sec - then.ru_utime.tv_sec + now.ru_stime.tv_sec - then.ru_stime.tv_sec) * 1000000 +
               now.ru_utime.tv_usec - then.ru_utime.tv_usec + now.ru_stime.tv_usec - then.ru_stime.tv_usec <
           60000);
    return 0;
}

static void the_usage_of_a_call_is_its_own(void **state)
{
    (void)state;
    NEED_KEPT_CHILDREN;
    const struct forkcall_report long_one = run(burns, NULL, 0, NULL, &reuse);
    const struct forkcall_report short_one = run(child_returns_0, NULL, 0, NULL, &reuse);
    assert_int_equal(long_one.pid, short_one.pid);
    assert_true(long_one.usage_known && short_one.usage_known);
    assert_true(long_one.user_ns + long_one.system_ns >= 50000000);
    assert_true(short_one.user_ns + short_one.system_ns < 50000000);
    assert_true(short_one.max_rss_bytes >= long_one.max_rss_bytes);
}

/* ---- Not kept -------------------------------------------------------------------------------- */

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
        alarm(2); /* it outlives the call, and not the test */
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
        const struct forkcall_report report = run(leaves, &what, sizeof what, NULL, &reuse);
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
        const struct forkcall_report report = run(leaves, &what, sizeof what, NULL, &reuse);
        assert_status(report, FORKCALL_OK);
        if (call_reusing(child_returns_0) == report.pid)
            fail_msg("a child was used again in which %d was left", what);
    }
}

enum end { BY_THROW, BY_EXIT, BY__EXIT, BY_CRASH, BY_KILL, BY_THREAD_EXIT, TOO_BIG, END_COUNT };

static int ends(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    switch ((enum end) * (const int *)args) {
    case BY_THROW:
        forkcall_throw(3, "thrown");
    case BY_EXIT:
        exit(4);
    case BY__EXIT:
        _exit(5);
    case BY_CRASH:
        abort();
    case BY_KILL:
        raise(SIGKILL);
        break;
    case BY_THREAD_EXIT:
        pthread_exit(NULL);
    case TOO_BIG:
        return forkcall_buf_append(result, "12345", 5);
    case END_COUNT:
        break;
    }
    return 0;
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
    const struct forkcall_report report = run(returns_in_another_process, NULL, 0, NULL, &reuse);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(report.pid, pid);
    usleep(20000);
    assert_int_not_equal(call_reusing(child_returns_0), pid);
}

static void other_ends_than_a_return_end_the_child_and_are_told_as_ever(void **state)
{
    static const struct {
        enum forkcall_status status;
        int code;
    } wanted[END_COUNT] = {
        {FORKCALL_FAILED, 3},         {FORKCALL_EXITED, 4}, {FORKCALL_EXITED, 5},      {FORKCALL_SIGNALED, SIGABRT},
        {FORKCALL_SIGNALED, SIGKILL}, {FORKCALL_EXITED, 0}, {FORKCALL_TOO_BIG, EFBIG},
    };
    struct forkcall_options options = reuse;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    (void)state;
    NEED_KEPT_CHILDREN;
    options.max_result = 4;
    for (int end = 0; end < END_COUNT; end++) {
        const pid_t pid = call_reusing(child_returns_0);
        const struct forkcall_report report = run(ends, &end, sizeof end, &result, &options);
        assert_status(report, wanted[end].status);
        assert_int_equal(report.code, wanted[end].code);
        assert_int_equal(report.pid, pid);
        assert_int_equal(report.ran, FORKCALL_RAN_YES);
        if (end == BY_CRASH)
            assert_true(report.crash.signal == SIGABRT && report.crash.frame_count > 0);
        assert_int_not_equal(call_reusing(child_returns_0), pid);
    }
    forkcall_buf_free(&result);
}

static void a_call_that_was_timed_out_or_canceled_ends_its_child(void **state)
{
    struct forkcall_options options = reuse;
    int canceled[2];
    (void)state;
    NEED_KEPT_CHILDREN;
    const pid_t pid = call_reusing(child_returns_0);
    options.timeout_ms = short_timeout_ms();
    const struct forkcall_report late = run(child_hangs, NULL, 0, NULL, &options);
    assert_status(late, FORKCALL_TIMED_OUT);
    assert_int_equal(late.pid, pid);
    const pid_t next = call_reusing(child_returns_0);
    assert_int_not_equal(next, pid);
    assert_int_equal(pipe(canceled), 0);
    assert_int_equal(write(canceled[1], "c", 1), 1);
    options = reuse;
    options.cancel_fd_plus_one = canceled[0] + 1;
    const struct forkcall_report stopped = run(child_hangs, NULL, 0, NULL, &options);
    assert_status(stopped, FORKCALL_CANCELED);
    assert_int_not_equal(call_reusing(child_returns_0), next);
    close(canceled[0]);
    close(canceled[1]);
}

static int ignore_output(void *user, int stream, const char *data, size_t size)
{
    (void)user;
    (void)stream;
    (void)data;
    (void)size;
    return 0;
}

static void what_the_options_give_a_child_is_given_to_no_other_call(void **state)
{
    static char many[40000];
    const int kept_fd = 2;
    struct forkcall_options options[7];
    struct forkcall_buf shared = forkcall_buf_shared(100000);
    (void)state;
    NEED_KEPT_CHILDREN;
    for (int i = 0; i < 7; i++)
        options[i] = reuse;
    options[0].limits.open_files = 100;
    options[1].standard_input = FORKCALL_STREAM_NULL;
    options[2].standard_output = FORKCALL_STREAM_CAPTURE;
    options[2].output = ignore_output;
    options[3].share_group = true;
    options[4].keep_fds = &kept_fd;
    options[4].keep_fds_count = 1;
    for (int i = 0; i < 7; i++) {
        const pid_t pid = call_reusing(child_returns_0);
        const struct forkcall_report report =
            run(child_returns_0, many, i == 5 ? sizeof many : 0, i == 6 ? &shared : NULL, &options[i]);
        assert_status(report, FORKCALL_OK);
        assert_int_not_equal(report.pid, pid);
        assert_int_equal(call_reusing(child_returns_0), pid);
    }
    forkcall_buf_free(&shared);
}

/* ---- Bounds ---------------------------------------------------------------------------------- */

static void a_child_serves_no_more_calls_than_calls_per_child(void **state)
{
    const struct forkcall_server_options options = {.calls_per_child = 3};
    (void)state;
    NEED_KEPT_CHILDREN;
    assert_int_equal(forkcall_server_stop(), 0);
    assert_int_equal(forkcall_server_start(&options), 0);
    for (int i = 0; i < 9; i++)
        assert_int_equal(count(&reuse), i % 3 + 1);
}

static int keeps_memory(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const size_t size = *(const size_t *)args;
    (void)args_size;
    (void)result;
    char *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
        return 1;
    memset(data, 1, size);
    return 0;
}

static void a_child_that_has_grown_by_more_than_child_memory_bytes_is_ended(void **state)
{
    const struct forkcall_server_options options = {.child_memory_bytes = 32 << 20};
    const size_t some = 12 << 20;
    (void)state;
    NEED_KEPT_CHILDREN;
    assert_int_equal(forkcall_server_stop(), 0);
    assert_int_equal(forkcall_server_start(&options), 0);
    const pid_t pid = call_reusing(child_returns_0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(run(keeps_memory, &some, sizeof some, NULL, &reuse).pid, pid);
    assert_int_not_equal(call_reusing(child_returns_0), pid);
}

/* ---- While no call uses it ------------------------------------------------------------------- */

static void a_child_that_was_killed_meanwhile_is_replaced(void **state)
{
    (void)state;
    NEED_KEPT_CHILDREN;
    for (int i = 0; i < 10; i++) {
        const pid_t pid = call_reusing(child_returns_0);
        assert_int_equal(kill(pid, SIGKILL), 0);
        if (i % 2 == 0) /* else the kill and the next call meet */
            wait_until(process_is_gone, (void *)&pid);
        const struct forkcall_report report = run(child_returns_0, NULL, 0, NULL, &reuse);
        if (i % 2 == 0)
            assert_status(report, FORKCALL_OK);
        else if (report.status != FORKCALL_OK)
            assert_true(report.status == FORKCALL_SIGNALED && report.pid == pid);
    }
}

static void a_call_that_gets_a_stopped_child_ends_at_its_deadline(void **state)
{
    struct forkcall_options options = reuse;
    (void)state;
    NEED_KEPT_CHILDREN;
    const pid_t pid = call_reusing(child_returns_0);
    assert_int_equal(call_reusing(child_returns_0), pid);
    usleep(20000); /* it has said that it is fit */
    assert_int_equal(kill(pid, SIGSTOP), 0);
    options.timeout_ms = short_timeout_ms();
    const struct forkcall_report report = run(child_returns_0, NULL, 0, NULL, &options);
    assert_status(report, FORKCALL_TIMED_OUT);
    assert_int_equal(report.ran, FORKCALL_RAN_NO);
    assert_int_equal(report.pid, pid);
    assert_int_not_equal(call_reusing(child_returns_0), pid);
    assert_true(wait_until(process_is_gone, (void *)&pid));
}

static int tells_reply_fd(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    const int fd = reply_fd();
    return forkcall_buf_append(result, &fd, sizeof fd);
}

/* Opens the writing end of a kept child's reply. */
static int open_reply(pid_t *pid)
{
    char path[64];
    int number = -1;
    struct forkcall_buf result = forkcall_buf_fixed(&number, sizeof number);
    const struct forkcall_report report = run(tells_reply_fd, NULL, 0, &result, &reuse);
    assert_status(report, FORKCALL_OK);
    *pid = report.pid;
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)*pid, number);
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void a_child_of_which_more_is_heard_meanwhile_is_not_used(void **state)
{
    static const size_t sizes[] = {1, 15, 16, 17, 4000};
    static const unsigned char garbage[4000];
    (void)state;
    NEED_KEPT_CHILDREN;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        pid_t pid;
        const int fd = open_reply(&pid);
        assert_int_equal(write(fd, garbage, sizes[i]), sizes[i]);
        close(fd);
        assert_int_not_equal(call_reusing(child_returns_0), pid);
        assert_true(wait_until(process_is_gone, &pid));
    }
}

/* Writes what an earlier call's process might still write: frames of the first call of the child,
 * and of the call before this one. */
static int is_overtaken(const void *args, size_t args_size, struct forkcall_buf *result)
{
    atomic_int *go = shared_memory();
    (void)args;
    (void)args_size;
    atomic_store(go, 1);
    for (int i = 0; i < 3000 && atomic_load(go) != 2; i++)
        usleep(10000);
    return forkcall_buf_append(result, "true", 4);
}

static int hear(void *heard, double done, double total, const char *note)
{
    (void)done;
    (void)total;
    (void)note;
    *(bool *)heard = true;
    return 0;
}

static void late_frames_of_an_earlier_call_are_never_a_later_calls(void **state)
{
    bool heard = false;
    struct forkcall_options options = reuse;
    (void)state;
    options.progress = hear;
    options.user = &heard;
    NEED_KEPT_CHILDREN;
    for (uint32_t mark = 0; mark < 2; mark++) {
        struct forkcall_buf frames = FORKCALL_BUF_INIT, result = FORKCALL_BUF_INIT;
        struct forkcall_call *call;
        pid_t pid;
        clear_shared_memory();
        assert_int_equal(forkcall_server_stop(), 0);
        call_reusing(child_returns_0);
        const int fd = open_reply(&pid); /* the second call; the next one is the third */
        forge_progress(&frames, 1, 2, "late");
        ((struct fc_frame_header *)frames.data)->magic = fc_frame_magic(mark);
        assert_int_equal(forkcall_start(&call, is_overtaken, NULL, 0, &result, &options), 0);
        assert_int_equal(call->process.pid, pid);
        assert_true(wait_until(is_set, shared_memory()));
        assert_int_equal(write(fd, frames.data, frames.size), frames.size);
        close(fd);
        atomic_store((atomic_int *)shared_memory(), 2);
        const struct forkcall_report report = forkcall_finish(call);
        assert_status(report, FORKCALL_SIGNALED); /* the library has killed the child */
        assert_int_equal(result.size, 0);
        assert_false(heard);
        assert_int_not_equal(call_reusing(child_returns_0), pid);
        forkcall_buf_free(&frames);
        forkcall_buf_free(&result);
    }
}

static void forkcall_server_stop_ends_the_children_that_wait(void **state)
{
    (void)state;
    NEED_KEPT_CHILDREN;
    pid_t pid = call_reusing(child_returns_0);
    assert_int_equal(forkcall_server_stop(), 0);
    assert_true(wait_until(process_is_gone, &pid));
    assert_int_not_equal(call_reusing(child_returns_0), pid);
}

static void nothing_is_left_but_the_children_that_wait(void **state)
{
    (void)state;
    NEED_KEPT_CHILDREN;
    assert_int_equal(forkcall_server_stop(), 0);
    const struct traces before = traces_now();
    for (int i = 0; i < 50; i++)
        call_reusing(i % 5 == 4 ? registers_a_handler : child_returns_0);
    const struct traces with_one = traces_now();
    for (int i = 0; i < 50; i++)
        call_reusing(child_returns_0);
    assert_no_traces(with_one, false);
    assert_int_equal(forkcall_server_stop(), 0);
    assert_no_traces(before, false);
}

/* ---- Hosts ----------------------------------------------------------------------------------- */

/* In a host of host_run, where nothing of cmocka may be called. */
static pid_t checked_pid(const struct forkcall_options *options)
{
    const struct forkcall_report report = run(child_returns_0, NULL, 0, NULL, options);
    return report.status == FORKCALL_OK ? report.pid : -1;
}

static int fork_with_a_kept_child(void *unused)
{
    (void)unused;
    const pid_t pid = checked_pid(&reuse);
    CHECK(pid > 0 && checked_pid(&reuse) == pid);
    const pid_t forked = fork();
    CHECK(forked >= 0);
    if (forked == 0) {
        const pid_t of_fork = checked_pid(&reuse);
        _exit(of_fork > 0 && of_fork != pid && process_lives(pid) && forkcall_server_stop() == 0 ? 0 : 1);
    }
    int status = -1;
    CHECK(waitpid(forked, &status, 0) == forked && status == 0);
    CHECK(checked_pid(&reuse) == pid);
    return 0;
}

static void a_host_that_forks_keeps_its_child_to_itself(void **state)
{
    (void)state;
    NEED_KEPT_CHILDREN;
    assert_int_equal(host_run(fork_with_a_kept_child, NULL), 0);
}

static int change_what_children_inherit(void *unused)
{
    const struct rlimit lower = {.rlim_cur = 200, .rlim_max = 200};
    (void)unused;
    pid_t pid = checked_pid(&reuse);
    CHECK(pid > 0 && checked_pid(&reuse) == pid);
    CHECK(chdir("/proc") == 0);
    pid_t next = checked_pid(&reuse);
    CHECK(next > 0 && next != pid);
    CHECK(wait_until(process_is_gone, &pid));
    CHECK(setrlimit(RLIMIT_NOFILE, &lower) == 0);
    pid = checked_pid(&reuse);
    CHECK(pid > 0 && pid != next);
    CHECK(wait_until(process_is_gone, &next));
    umask(0111);
    next = checked_pid(&reuse);
    CHECK(next > 0 && next != pid);
    return 0;
}

static void a_host_that_has_changed_gets_no_child_of_before(void **state)
{
    (void)state;
    NEED_KEPT_CHILDREN;
    assert_int_equal(host_run(change_what_children_inherit, NULL), 0);
}

static int tells_user(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const uid_t user = geteuid();
    (void)args;
    (void)args_size;
    return forkcall_buf_append(result, &user, sizeof user);
}

static int be_another_user_for_a_while(void *unused)
{
    uid_t user = 0;
    struct forkcall_buf result = forkcall_buf_fixed(&user, sizeof user);
    (void)unused;
    const uid_t users[] = {0, 65534, 0, 65534};
    for (size_t i = 0; i < sizeof users / sizeof *users; i++) {
        CHECK(seteuid(users[i]) == 0);
        CHECK(run(tells_user, NULL, 0, &result, &reuse).status == FORKCALL_OK);
        CHECK(user == users[i]);
        CHECK(seteuid(0) == 0);
    }
    CHECK(setuid(65534) == 0);
    for (int i = 0; i < 2; i++) {
        CHECK(run(tells_user, NULL, 0, &result, &reuse).status == FORKCALL_OK);
        CHECK(user == 65534);
    }
    return 0;
}

static void rights_are_those_of_each_caller(void **state)
{
    (void)state;
    if (geteuid() != 0)
        SKIP("it needs root");
    assert_int_equal(host_run(be_another_user_for_a_while, NULL), 0);
}

static int tells_timer_slack(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int slack = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
    (void)args;
    (void)args_size;
    return forkcall_buf_append(result, &slack, sizeof slack);
}

static int change_the_timer_slack(void *unused)
{
    static const int slacks[] = {50000, 70000, 50000, 60000, 50000};
    int slack = -1;
    struct forkcall_buf result = forkcall_buf_fixed(&slack, sizeof slack);
    (void)unused;
    const pid_t pid = checked_pid(&reuse);
    CHECK(pid > 0);
    for (size_t i = 0; i < sizeof slacks / sizeof *slacks; i++) {
        CHECK(prctl(PR_SET_TIMERSLACK, slacks[i], 0, 0, 0) == 0);
        const struct forkcall_report report = run(tells_timer_slack, NULL, 0, &result, &reuse);
        CHECK(report.status == FORKCALL_OK && report.pid == pid);
        CHECK(slack == slacks[i]);
    }
    return 0;
}

static void settings_are_those_of_each_caller(void **state)
{
    (void)state;
    NEED_KEPT_CHILDREN;
    assert_int_equal(host_run(change_the_timer_slack, NULL), 0);
}

/* A process may lower its niceness, but not without a right to raise it again: a child that has done
 * so must not serve a caller that has not. */
static int be_nice_for_a_while(void *unused)
{
    (void)unused;
    const pid_t pid = checked_pid(&reuse);
    CHECK(pid > 0 && checked_pid(&reuse) == pid);
    CHECK(setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + 3) == 0);
    CHECK(checked_pid(&reuse) == pid); /* it is told what to be, and then ends */
    const pid_t next = checked_pid(&reuse);
    CHECK(next > 0 && next != pid);
    CHECK(checked_pid(&reuse) != next);
    return 0;
}

static void a_child_that_was_rescheduled_is_not_kept(void **state)
{
    (void)state;
    NEED_KEPT_CHILDREN;
    assert_int_equal(host_run(be_nice_for_a_while, NULL), 0);
}

static int die_with_a_kept_child(void *unused)
{
    (void)unused;
    const pid_t pid = checked_pid(&reuse);
    CHECK(pid > 0);
    *(int *)shared_memory() = pid;
    kill(getpid(), SIGKILL);
    return 0;
}

static void a_child_that_waits_dies_with_its_host(void **state)
{
    (void)state;
    assert_int_equal(host_run(die_with_a_kept_child, NULL), 1000 + SIGKILL);
    assert_true(*(int *)shared_memory() > 0);
    assert_true(wait_until(process_is_gone, shared_memory()));
}

static int lose_descriptors(void *unused)
{
    (void)unused;
    pid_t pid = checked_pid(&reuse);
    CHECK(pid > 0);
    for (int fd = 3; fd < 256; fd++)
        close(fd);
    /* Their numbers are other files' now. */
    const int own = open("/dev/zero", O_RDWR);
    for (int i = 0; i < 20; i++)
        CHECK(dup(own) >= 0);
    const pid_t next = checked_pid(&reuse);
    CHECK(next > 0 && next != pid);
    CHECK(checked_pid(&reuse) > 0);
    CHECK(wait_until(process_is_gone, &pid));
    return 0;
}

static void a_host_that_closes_every_descriptor_gets_another_child(void **state)
{
    (void)state;
    NEED_KEPT_CHILDREN;
    assert_int_equal(host_run(lose_descriptors, NULL), 0);
}

static int replace_the_pipe_of_the_request(void *unused)
{
    char path[] = "/tmp/forkcall-test-XXXXXX";
    struct stat file;
    int replaced = 0;
    (void)unused;
    const pid_t pid = checked_pid(&reuse);
    CHECK(pid > 0);
    const int own = mkstemp(path);
    CHECK(own >= 0 && unlink(path) == 0);
    for (int fd = 3; fd < 256; fd++)
        if (fstat(fd, &file) == 0 && S_ISFIFO(file.st_mode) && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY)
            replaced += dup2(own, fd) == fd;
    CHECK(replaced > 0);
    const pid_t next = checked_pid(&reuse);
    CHECK(next > 0 && next != pid);
    CHECK(fstat(own, &file) == 0 && file.st_size == 0);
    return 0;
}

static void no_request_is_written_into_a_file_of_the_hosts(void **state)
{
    (void)state;
    NEED_KEPT_CHILDREN;
    assert_int_equal(host_run(replace_the_pipe_of_the_request, NULL), 0);
}

/* A child that waits for another request does not end, so its end cannot be waited for. */
static int may_not_read(void *unused)
{
    const struct forkcall_server_options options = {.fixed_identity = true};
    const struct refusal rule = {.number = SYS_read, .error = EPERM, .argument = -1};
    (void)unused;
    CHECK(forkcall_server_start(&options) == 0);
    const pid_t pid = checked_pid(&reuse);
    CHECK(pid > 0);
    if (!refuse(&rule, 1))
        return NOT_HERE;
    const struct forkcall_report report = forkcall_run(child_returns_0, NULL, 0, NULL, &reuse);
    CHECK(report.status == FORKCALL_LOST && report.ran == FORKCALL_RAN_YES);
    return 0;
}

static void a_call_whose_answer_cannot_be_read_ends(void **state)
{
    (void)state;
    NEED_KEPT_CHILDREN;
    const int r = host_run(may_not_read, NULL);
    if (r == NOT_HERE)
        SKIP("the system refuses nothing here");
    assert_int_equal(r, 0);
}

/* ---- Threads --------------------------------------------------------------------------------- */

#define THREADS 8
#define CALLS 50

/* Each call finds the shared counter of its process at 0, or two calls share a child at one
 * time. */
static int is_alone(const void *args, size_t args_size, struct forkcall_buf *result)
{
    static atomic_int inside;
    const int calls = atomic_fetch_add(&inside, 1);
    (void)args_size;
    sched_yield();
    const int r = forkcall_buf_append(result, args, sizeof(int));
    atomic_fetch_sub(&inside, 1);
    return calls == 0 ? r : 99;
}

static void *call_and_call(void *wrong)
{
    for (int i = 0; i < CALLS; i++) {
        int answer = -1;
        struct forkcall_buf result = forkcall_buf_fixed(&answer, sizeof answer);
        const int number = i + 1000 * (int)((uintptr_t)&answer % 7919);
        const struct forkcall_report report = forkcall_run(is_alone, &number, sizeof number, &result, &reuse);
        if (report.status != FORKCALL_OK || answer != number || report.ran != FORKCALL_RAN_YES)
            atomic_fetch_add((atomic_int *)wrong, 1);
    }
    return NULL;
}

static void threads_that_call_at_once_get_their_own_answers(void **state)
{
    pthread_t thread[THREADS];
    atomic_int wrong = 0;
    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, call_and_call, &wrong), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(wrong, 0);
}

/* ---- Other children, maps and methods --------------------------------------------------------------------------- */

static void other_methods_make_a_fresh_child(void **state)
{
    static const enum forkcall_method methods[] = {FORKCALL_FORK, FORKCALL_SPAWN};
    (void)state;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        struct forkcall_options options = reuse;
        options.method = methods[i];
        options.allow_unsafe_fork = true;
        for (int k = 0; k < 2; k++)
            assert_int_equal(count(&options), 1);
    }
}

static void children_that_are_execed_are_used_again_too(void **state)
{
    const struct forkcall_server_options options = {.exec_spares = true};
    (void)state;
    NEED_KEPT_CHILDREN;
    assert_int_equal(forkcall_server_stop(), 0);
    assert_int_equal(forkcall_server_start(&options), 0);
    for (int i = 1; i <= 5; i++)
        assert_int_equal(count(&reuse), i);
}

static void a_map_whose_calls_allow_it_gives_each_item_its_result(void **state)
{
    int number[20];
    struct forkcall_buf results[20];
    struct forkcall_report reports[20];
    struct forkcall_map_options options = {.call = reuse, .processes = 3};
    (void)state;
    memset(results, 0, sizeof results);
    for (int i = 0; i < 20; i++)
        number[i] = i;
    const struct forkcall_report report =
        forkcall_map(child_echoes, number, sizeof *number, 20, results, reports, &options);
    assert_status(report, FORKCALL_OK);
    for (int i = 0; i < 20; i++) {
        assert_status(reports[i], FORKCALL_OK);
        assert_int_equal(*(int *)results[i].data, i);
        forkcall_buf_free(&results[i]);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, stop_server)
    const struct CMUnitTest tests[] = {
        TEST(calls_that_allow_it_share_a_child_one_after_another),
        TEST(a_call_without_it_has_a_fresh_child_and_no_other_gets_that_child),
        TEST(a_function_that_tidies_up_leaves_its_child_fit),
        TEST(a_failure_leaves_the_child_fit_and_no_words_to_the_next_call),
        TEST(exit_handlers_of_each_call_run_once_at_its_return),
        TEST(results_of_every_size_are_whole),
        TEST(a_result_of_128_KiB_leaves_the_child_fit),
        TEST(the_usage_of_a_call_is_its_own),
        TEST(a_child_in_which_something_is_left_serves_no_other_call),
        TEST(the_first_call_of_a_child_is_looked_at_like_the_others),
        TEST(a_process_that_returns_in_the_childs_place_serves_no_other_call),
        TEST(other_ends_than_a_return_end_the_child_and_are_told_as_ever),
        TEST(a_call_that_was_timed_out_or_canceled_ends_its_child),
        TEST(what_the_options_give_a_child_is_given_to_no_other_call),
        TEST(a_child_serves_no_more_calls_than_calls_per_child),
        TEST(a_child_that_has_grown_by_more_than_child_memory_bytes_is_ended),
        TEST(a_child_that_was_killed_meanwhile_is_replaced),
        TEST(a_call_that_gets_a_stopped_child_ends_at_its_deadline),
        TEST(a_child_of_which_more_is_heard_meanwhile_is_not_used),
        TEST(late_frames_of_an_earlier_call_are_never_a_later_calls),
        TEST(forkcall_server_stop_ends_the_children_that_wait),
        TEST(nothing_is_left_but_the_children_that_wait),
        TEST(a_host_that_forks_keeps_its_child_to_itself),
        TEST(a_host_that_has_changed_gets_no_child_of_before),
        TEST(rights_are_those_of_each_caller),
        TEST(settings_are_those_of_each_caller),
        TEST(a_child_that_was_rescheduled_is_not_kept),
        TEST(a_child_that_waits_dies_with_its_host),
        TEST(a_host_that_closes_every_descriptor_gets_another_child),
        TEST(no_request_is_written_into_a_file_of_the_hosts),
        TEST(a_call_whose_answer_cannot_be_read_ends),
        TEST(threads_that_call_at_once_get_their_own_answers),
        TEST(children_that_are_execed_are_used_again_too),
        TEST(a_map_whose_calls_allow_it_gives_each_item_its_result),
        TEST(other_methods_make_a_fresh_child),
    };
#undef TEST
    atexit(handler_of_the_program);
    forkcall_init();
    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
