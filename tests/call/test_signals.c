/* Tests signals: the host's handlers never run in the child, the child begins with default actions
 * and an empty mask, and the host's own settings stay.
 *
 * SPDX-License-Identifier: MIT */
#include "children.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNCHECKED __attribute__((no_sanitize("address"), no_sanitize("undefined")))
#define ALTERNATE_STACK_SIZE 65536

/* What host and child note in shared_memory(). */
struct evidence {
    atomic_int pid;             /* pid of a child that is ready for a signal */
    atomic_int handler_in_host; /* calls of the host's handler, by process */
    atomic_int handler_in_child;
    atomic_int runner_in_child; /* the host's code has gone on in the child */
};
static pid_t host;

static struct evidence *evidence(void)
{
    return shared_memory();
}

static void host_handler(int signal)
{
    (void)signal;
    if (getpid() == host)
        evidence()->handler_in_host++;
    else
        evidence()->handler_in_child++;
}

/* ---- What the child finds -------------------------------------------------------------------- */

static int raises(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    raise(*(const int *)args);
    return 0;
}

static int host_with_handlers(void *unused)
{
    static const int handled[] = {SIGTERM, SIGUSR1, SIGINT, SIGHUP, SIGALRM, SIGPIPE, SIGQUIT};
    (void)unused;
    host = getpid();
    for (size_t i = 0; i < sizeof handled / sizeof *handled; i++)
        signal(handled[i], host_handler);
    for (size_t i = 0; i < sizeof handled / sizeof *handled; i++) {
        const struct forkcall_report r = run_tested(raises, &handled[i], sizeof handled[i], NULL, NULL);
        CHECK(r.status == FORKCALL_SIGNALED && r.code == handled[i]);
    }
    CHECK(evidence()->handler_in_child == 0 && evidence()->handler_in_host == 0);
    raise(SIGTERM); /* The host's own handler is still installed. */
    CHECK(evidence()->handler_in_host == 1);
    return 42;
}

static void handlers_of_the_host_never_run_in_the_child(void **state)
{
    (void)state;
    assert_int_equal(host_run(host_with_handlers, NULL), 42);
}

static int host_that_ignores(void *unused)
{
    static const int ignored[] = {SIGUSR1, SIGTERM, SIGPIPE, SIGHUP, SIGSEGV, SIGBUS,
                                  SIGFPE,  SIGILL,  SIGTRAP, SIGSYS, SIGABRT};
    (void)unused;
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        signal(ignored[i], SIG_IGN);
    /* In a program that is started by exec, the library restores the default actions. */
    const enum forkcall_status expected = method_shares_memory() ? FORKCALL_OK : FORKCALL_SIGNALED;
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        CHECK(run_tested(raises, &ignored[i], sizeof ignored[i], NULL, NULL).status == expected);
    return 42;
}

static void what_the_host_ignores_is_ignored_in_a_fork_alone(void **state)
{
    (void)state;
    assert_int_equal(host_run(host_that_ignores, NULL), 42);
}

/* Answers 1: SIGTTIN is ignored; 2: SIGTTOU is ignored; 4: one of them has a handler. */
static int tells_terminal_signals(const void *args, size_t args_size, struct forkcall_buf *result)
{
    static const int signals[] = {SIGTTIN, SIGTTOU};
    int told = 0;
    (void)args;
    (void)args_size;
    (void)result;
    for (int i = 0; i < 2; i++) {
        struct sigaction now;
        if (sigaction(signals[i], NULL, &now) < 0 || (now.sa_flags & SA_SIGINFO) != 0)
            return 4;
        told |= now.sa_handler == SIG_IGN ? 1 << i : now.sa_handler == SIG_DFL ? 0 : 4;
    }
    return told;
}

static void signals_of_a_terminal_are_ignored_in_the_background_alone(void **state)
{
    (void)state;
    for (int turn = 0; turn < 4; turn++) {
        const struct forkcall_options options = {.share_group = turn % 2 == 1};
        const struct forkcall_report r = run_tested(tells_terminal_signals, NULL, 0, NULL, &options);
        assert_status(r, options.share_group ? FORKCALL_OK : FORKCALL_FAILED);
        assert_int_equal(r.code, options.share_group ? 0 : 3);
    }
}

static int *volatile nowhere;

UNCHECKED static int crashes_or_aborts(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    if (*(const int *)args == SIGABRT)
        abort();
    *nowhere = 1;
    return 0;
}

static int host_that_ignores_crashes(void *unused)
{
    static const int ignored[] = {SIGSEGV, SIGABRT};
    (void)unused;
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) {
        signal(ignored[i], SIG_IGN);
        const struct forkcall_report r = run_tested(crashes_or_aborts, &ignored[i], sizeof ignored[i], NULL, NULL);
        CHECK(r.status == FORKCALL_SIGNALED && r.code == ignored[i]);
    }
    return 42;
}

static void ignored_signal_does_not_keep_a_crash_from_ending_the_child(void **state)
{
    (void)state;
    if (under_sanitizer())
        SKIP("the sanitizer reports the crash itself");
    assert_int_equal(host_run(host_that_ignores_crashes, NULL), 42);
}

/* Waits for a child of the shell and for one of its own. Returns the number of the step that
 * failed. */
static int waits_for_children_of_its_own(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    if (system("exit 3") != 3 << 8) // NOLINT(cert-env33-c,concurrency-mt-unsafe): one thread, and a fixed text
        return 1;
    FILE *out = popen("exit 4", "r"); // NOLINT(cert-env33-c): one thread, and a fixed text
    if (out == NULL || pclose(out) != 4 << 8)
        return 2;
    int status = 0;
    const pid_t pid = fork();
    if (pid == 0)
        _exit(5);
    return waitpid(pid, &status, 0) == pid && status == 5 << 8 ? 0 : 3;
}

/* *how: 0: SIGCHLD is ignored; 1: it has its default action with SA_NOCLDWAIT; 2: it is ignored and
 * blocked. */
static int host_that_wants_no_children_told(void *how)
{
    struct sigaction action;
    sigset_t child;
    memset(&action, 0, sizeof action);
    action.sa_handler = *(const int *)how == 1 ? SIG_DFL : SIG_IGN;
    action.sa_flags = *(const int *)how == 1 ? SA_NOCLDWAIT : 0;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    CHECK(sigaction(SIGCHLD, &action, NULL) == 0);
    CHECK(*(const int *)how != 2 || pthread_sigmask(SIG_BLOCK, &child, NULL) == 0);
    CHECK(run_tested(waits_for_children_of_its_own, NULL, 0, NULL, NULL).status == FORKCALL_OK);
    return 42;
}

static void function_can_wait_for_its_children_whatever_the_host_does_with_SIGCHLD(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++)
        assert_int_equal(host_run(host_that_wants_no_children_told, &how), 42);
}

static int count_blocked(void)
{
    sigset_t mask;
    int count = 0;
    if (pthread_sigmask(SIG_SETMASK, NULL, &mask) != 0)
        return -1;
    for (int signal = 1; signal <= SIGRTMAX; signal++)
        count += sigismember(&mask, signal) == 1;
    return count;
}

static int blocked_at_load;

/* Also runs in a re-executed program, and notes what the program's constructors see. */
__attribute__((constructor)) static void note_blocked(void)
{
    blocked_at_load = count_blocked();
}

static int counts_blocked_signals(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    return method_shares_memory() ? count_blocked() : count_blocked() + blocked_at_load;
}

static bool same_mask(const sigset_t *a, const sigset_t *b)
{
    for (int signal = 1; signal <= SIGRTMAX; signal++)
        if (sigismember(a, signal) != sigismember(b, signal))
            return false;
    return true;
}

static int host_that_blocks_all(void *unused)
{
    sigset_t all, before, after;
    (void)unused;
    sigfillset(&all);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, NULL) == 0);
    CHECK(pthread_sigmask(SIG_SETMASK, NULL, &before) == 0);
    /* SIGTERM stays pending for the host, and must not reach the child. */
    raise(SIGTERM);
    CHECK(run_tested(counts_blocked_signals, NULL, 0, NULL, NULL).status == FORKCALL_OK);
    CHECK(run_tested(child_fails_7, NULL, 0, NULL, NULL).status == FORKCALL_FAILED);
    CHECK(pthread_sigmask(SIG_SETMASK, NULL, &after) == 0);
    CHECK(same_mask(&before, &after));
    return 42;
}

static void host_that_blocks_all_signals(void **state)
{
    (void)state;
    assert_int_equal(host_run(host_that_blocks_all, NULL), 42);
}

/* ---- What the host keeps --------------------------------------------------------------------- */

static int crashes(const void *args, size_t args_size, struct forkcall_buf *result);

static bool same_disposition(const struct sigaction *a, const struct sigaction *b)
{
    return a->sa_handler == b->sa_handler && a->sa_flags == b->sa_flags && same_mask(&a->sa_mask, &b->sa_mask);
}

static int host_that_compares(void *unused)
{
    static char stack_memory[ALTERNATE_STACK_SIZE];
    static struct sigaction before[NSIG];
    const stack_t own_stack = {.ss_sp = stack_memory, .ss_size = sizeof stack_memory};
    const struct forkcall_options options = {.timeout_ms = 50, .grace_ms = 10};
    stack_t stack;
    sigset_t mask_before, mask_after;
    (void)unused;
    CHECK(sigaltstack(&own_stack, NULL) == 0);
    signal(SIGUSR1, host_handler);
    signal(SIGSEGV, host_handler);
    signal(SIGHUP, SIG_IGN);
    sigemptyset(&mask_before);
    sigaddset(&mask_before, SIGWINCH);
    CHECK(pthread_sigmask(SIG_SETMASK, &mask_before, NULL) == 0);
    for (int i = 1; i < NSIG; i++)
        sigaction(i, NULL, &before[i]);
    CHECK(run_tested(child_returns_0, NULL, 0, NULL, NULL).status == FORKCALL_OK);
    CHECK(run_tested(crashes, NULL, 0, NULL, NULL).status == FORKCALL_SIGNALED);
    CHECK(run_tested(child_kills_itself, NULL, 0, NULL, NULL).status == FORKCALL_SIGNALED);
    CHECK(run_tested(child_hangs, NULL, 0, NULL, &options).status == FORKCALL_TIMED_OUT);
    for (int i = 1; i < NSIG; i++) {
        struct sigaction after;
        CHECK(sigaction(i, NULL, &after) != 0 || same_disposition(&before[i], &after));
    }
    CHECK(pthread_sigmask(SIG_SETMASK, NULL, &mask_after) == 0 && same_mask(&mask_before, &mask_after));
    CHECK(sigaltstack(NULL, &stack) == 0);
    CHECK(stack.ss_sp == stack_memory && stack.ss_size == sizeof stack_memory && stack.ss_flags == 0);
    return 42;
}

static void mask_dispositions_and_alternate_stack_of_the_host_stay(void **state)
{
    (void)state;
    assert_int_equal(host_run(host_that_compares, NULL), 42);
}

/* Handlers that the host has registered by pthread_atfork(3). They end the child before its caller
 * has told it to go on. */
static void end_in_child(void)
{
    _exit(9);
}

static void wait_for_its_end(void)
{
    siginfo_t info;
    while (waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR) {
    }
}

static int host_of_a_fork_that_ends(void)
{
    /* The first call makes the library register its own handlers, which then come before these. */
    CHECK(run_tested(child_returns_0, NULL, 0, NULL, NULL).status == FORKCALL_OK);
    CHECK(pthread_atfork(NULL, wait_for_its_end, end_in_child) == 0);
    const struct forkcall_report r = run_tested(child_returns_0, NULL, 0, NULL, NULL);
    CHECK(r.status == FORKCALL_EXITED && r.code == 9);
    CHECK(r.ran == FORKCALL_RAN_NO);
    return 42;
}

#define COPY_ENDS "FORKCALL_TEST_COPY_ENDS"

__attribute__((constructor)) static void end_in_copy(void)
{
    if (getenv(COPY_ENDS) != NULL)
        _exit(9);
}

static int host_of_a_copy_that_ends(void)
{
    CHECK(setenv(COPY_ENDS, "1", 1) == 0);
    /* The program may end before, while or after its request is written. */
    for (int i = 0; i < 20; i++) {
        const struct forkcall_report r = run_tested(child_returns_0, NULL, 0, NULL, NULL);
        CHECK(r.status == FORKCALL_NOT_STARTED && r.code == ENOEXEC);
        CHECK(r.ran == FORKCALL_RAN_NO);
        CHECK(strstr(r.message, "exit status 9") != NULL);
    }
    CHECK(unsetenv(COPY_ENDS) == 0);
    CHECK(run_tested(child_returns_0, NULL, 0, NULL, NULL).status == FORKCALL_OK);
    return 42;
}

static int host_with_default_SIGPIPE(void *unused)
{
    (void)unused;
    signal(SIGPIPE, SIG_DFL);
    return method_shares_memory() ? host_of_a_fork_that_ends() : host_of_a_copy_that_ends();
}

static void host_with_default_SIGPIPE_outlives_a_child_that_ends_before_it_starts(void **state)
{
    (void)state;
    assert_int_equal(host_run(host_with_default_SIGPIPE, NULL), 42);
}

/* ---- Crash handlers of the host and of the function ------------------------------------------ */

UNCHECKED static int crashes(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    *(volatile char *)(uintptr_t)args = 1; // NOLINT(clang-analyzer-core.NullDereference): the crash that is wanted
    return 0;
}

/* cmocka's handlers in this process jump back into the test runner. */
static void crash_handlers_of_cmocka_do_not_run_in_the_child(void **state)
{
    const pid_t runner = getpid();
    (void)state;
    const struct forkcall_report r = run_tested(crashes, NULL, 0, NULL, NULL);
    if (getpid() != runner)
        /* A child that has come here ends, because the runner must not count its result. */
        _exit(99);
    assert_status(r, FORKCALL_SIGNALED);
    assert_int_equal(r.code, SIGSEGV);
}

static sigjmp_buf runner_frame;

static void jump_into_the_runner(int signal)
{
    host_handler(signal);
    siglongjmp(runner_frame, 1); // NOLINT(cert-err52-cpp): what is tested
}

static int host_with_crash_handlers(void *unused)
{
    static const int caught[] = {SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,  SIGTRAP, SIGSYS,
                                 SIGABRT, SIGXCPU, SIGXFSZ, SIGPIPE, SIGALRM};
    (void)unused;
    host = getpid();
    for (size_t i = 0; i < sizeof caught / sizeof *caught; i++)
        signal(caught[i], jump_into_the_runner);
    if (sigsetjmp(runner_frame, 1) != 0) { // NOLINT(cert-err52-cpp): what is tested
        evidence()->runner_in_child++;
        _exit(99);
    }
    CHECK(run_tested(crashes, NULL, 0, NULL, NULL).status == FORKCALL_SIGNALED);
    for (size_t i = 0; i < sizeof caught / sizeof *caught; i++) {
        const struct forkcall_report r = run_tested(raises, &caught[i], sizeof caught[i], NULL, NULL);
        CHECK(r.status == FORKCALL_SIGNALED && r.code == caught[i] && r.crash.signal == caught[i]);
    }
    CHECK(evidence()->runner_in_child == 0 && evidence()->handler_in_child == 0);
    return 42;
}

static void crash_handlers_of_the_host_do_not_run_in_the_child(void **state)
{
    (void)state;
    assert_int_equal(host_run(host_with_crash_handlers, NULL), 42);
}

static sigjmp_buf function_frame;

static void jump_within_the_function(int signal)
{
    siglongjmp(function_frame, signal); // NOLINT(cert-err52-cpp): what is tested
}

static void exit_4(int signal)
{
    (void)signal;
    _exit(4);
}

static int survives_its_crash(const void *args, size_t args_size, struct forkcall_buf *result)
{
    signal(SIGSEGV, jump_within_the_function);
    if (sigsetjmp(function_frame, 1) == 0) // NOLINT(cert-err52-cpp): what is tested
        return crashes(NULL, 0, NULL);
    return child_answers_42(args, args_size, result);
}

static int exits_from_its_crash(const void *args, size_t args_size, struct forkcall_buf *result)
{
    signal(SIGSEGV, exit_4);
    return crashes(args, args_size, result);
}

static int crashes_by_default(const void *args, size_t args_size, struct forkcall_buf *result)
{
    signal(SIGSEGV, SIG_DFL);
    return crashes(args, args_size, result);
}

static void function_with_a_crash_handler_of_its_own(void **state)
{
    int answer = 0;
    struct forkcall_buf result = forkcall_buf_fixed(&answer, sizeof answer);
    (void)state;
    struct forkcall_report r = run_tested(survives_its_crash, NULL, 0, &result, NULL);
    assert_status(r, FORKCALL_OK);
    assert_int_equal(answer, 42);
    r = run_tested(exits_from_its_crash, NULL, 0, NULL, NULL);
    assert_status(r, FORKCALL_EXITED);
    assert_int_equal(r.code, 4);
    r = run_tested(crashes_by_default, NULL, 0, NULL, NULL);
    assert_status(r, FORKCALL_SIGNALED);
    assert_int_equal(r.code, SIGSEGV);
    assert_int_equal(r.crash.signal, 0);
    assert_string_equal(r.message, "killed by SIGSEGV (perhaps the stack of a thread has run out)");
}

/* ---- From outside ---------------------------------------------------------------------------- */

static int tells_its_pid_and_hangs(const void *args, size_t args_size, struct forkcall_buf *result)
{
    evidence()->pid = getpid();
    return child_hangs(args, args_size, result);
}

static void signal_from_outside(void **state)
{
    static const int signals[] = {SIGKILL, SIGTERM, SIGSEGV, SIGABRT};
    (void)state;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct forkcall_call *call;
        evidence()->pid = 0;
        assert_int_equal(start_tested(&call, tells_its_pid_and_hangs, NULL, 0, NULL, NULL), 0);
        assert_true(wait_until(is_set, &evidence()->pid));
        kill(evidence()->pid, signals[i]);
        const struct forkcall_report r = forkcall_finish(call);
        assert_status(r, FORKCALL_SIGNALED);
        assert_int_equal(r.code, signals[i]);
        assert_int_equal(r.ran, FORKCALL_RAN_YES);
        assert_int_equal(r.pid, evidence()->pid);
        assert_true(WIFSIGNALED(r.wait_status));
        if (signals[i] == SIGSEGV || signals[i] == SIGABRT) {
            assert_int_equal(r.crash.si_code, SI_USER);
            assert_told_as_sent(&r);
        }
    }
}

/* ---- Core files ------------------------------------------------------------------------------ */

static int count_files(void)
{
    int n = 0;
    DIR *directory = opendir(".");
    for (struct dirent *e = directory == NULL ? NULL : readdir(directory); e != NULL; e = readdir(directory))
        if (e->d_name[0] != '.') {
            unlink(e->d_name);
            n++;
        }
    if (directory != NULL)
        closedir(directory);
    return n;
}

/* True: this system writes core files to the current directory of the process. */
static bool cores_are_written_here(void)
{
    char pattern[2] = "|";
    FILE *file = fopen("/proc/sys/kernel/core_pattern", "re");
    if (file == NULL)
        return false;
    const bool known = fgets(pattern, sizeof pattern, file) != NULL;
    fclose(file);
    return known && pattern[0] != '|' && pattern[0] != '/';
}

static int host_with_core_files(void *directory)
{
    struct forkcall_options options = {.limits.core_bytes = FORKCALL_LIMIT_ZERO};
    struct rlimit limit;
    CHECK(chdir(directory) == 0 && getrlimit(RLIMIT_CORE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    CHECK(setrlimit(RLIMIT_CORE, &limit) == 0);
    struct forkcall_report r = run_tested(crashes, NULL, 0, NULL, &options);
    CHECK(r.status == FORKCALL_SIGNALED && r.crash.signal == SIGSEGV && !WCOREDUMP(r.wait_status));
    CHECK(count_files() == 0);
    options.limits.core_bytes = 0; /* 0: the host's limit stays */
    r = run_tested(crashes, NULL, 0, NULL, &options);
    CHECK(r.status == FORKCALL_SIGNALED && r.code == SIGSEGV && r.crash.signal == SIGSEGV);
    CHECK(!WCOREDUMP(r.wait_status) || count_files() == 1);
    CHECK(limit.rlim_max != RLIM_INFINITY || WCOREDUMP(r.wait_status));
    return 42;
}

static void core_file_as_the_host_has_it_or_none(void **state)
{
    char directory[] = "/tmp/forkcall-test-XXXXXX";
    (void)state;
    if (!cores_are_written_here() || under_emulator() || under_sanitizer())
        SKIP("core files are not written to the working directory here, or take too much time and room");
    assert_non_null(mkdtemp(directory));
    const int r = host_run(host_with_core_files, directory);
    rmdir(directory);
    assert_int_equal(r, 42);
}

int main(void)
{
    forkcall_init();
#define TEST(name) cmocka_unit_test_setup(name, set_up_test)
    const struct CMUnitTest tests[] = {
        TEST(handlers_of_the_host_never_run_in_the_child),
        TEST(what_the_host_ignores_is_ignored_in_a_fork_alone),
        TEST(signals_of_a_terminal_are_ignored_in_the_background_alone),
        TEST(ignored_signal_does_not_keep_a_crash_from_ending_the_child),
        TEST(function_can_wait_for_its_children_whatever_the_host_does_with_SIGCHLD),
        TEST(host_that_blocks_all_signals),
        TEST(mask_dispositions_and_alternate_stack_of_the_host_stay),
        TEST(host_with_default_SIGPIPE_outlives_a_child_that_ends_before_it_starts),
        TEST(crash_handlers_of_cmocka_do_not_run_in_the_child),
        TEST(crash_handlers_of_the_host_do_not_run_in_the_child),
        TEST(function_with_a_crash_handler_of_its_own),
        TEST(signal_from_outside),
        TEST(core_file_as_the_host_has_it_or_none),
    };
    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
