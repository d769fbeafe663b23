/* Tests that calls leave no trace in the host: after a thousand calls of all kinds everything is
 * as before, and the host's own limits apply. */
#include "config.h"
#include "outcomes.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#define CALLS 1000
#define CALLS_SLOW 200 /* if a fork is slow: sanitizers, valgrind, emulators */
#define WARM_UP 60
#define SIGNALS 65
#ifdef HAVE_LIBDW
#define NOISE_BYTES 65536 /* libdw keeps what it has read about the C library */
#else
#define NOISE_BYTES 512 /* heap bytes; a leak in every 16th call is larger */
#endif
/* An allocator may map or unmap some memory of its own, but not once for each of the calls. */
#define NOISE_MAPPINGS 2

/* ---- Everything ------------------------------------------------------------------------------ */

struct snapshot {
    struct traces traces;
    struct sigaction actions[SIGNALS];
    sigset_t mask, pending;
    stack_t stack;
    struct itimerval timers[3];
    struct rlimit limits[RLIM_NLIMITS];
    char directory[1024];
    mode_t umask;
    pid_t group, session;
    char **environment;
    size_t variables;
    long long heap;
};

static long long heap_in_use(void)
{
#ifdef __GLIBC__
#if __GLIBC_PREREQ(2, 33)
    if (!under_sanitizer())
        return (long long)mallinfo2().uordblks;
#endif
#endif
    return 0;
}

#ifdef __GLIBC__
typedef __rlimit_resource_t resource_t; /* the compiler expects an enum there */
#else
typedef int resource_t;
#endif

static void take_snapshot(struct snapshot *s)
{
    memset(s, 0, sizeof *s); /* clears the padding, too, for memcmp() */
    s->traces = traces_now();
    for (int signal = 1; signal < SIGNALS; signal++)
        sigaction(signal, NULL, &s->actions[signal]);
    sigprocmask(SIG_BLOCK, NULL, &s->mask);
    sigpending(&s->pending);
    sigaltstack(NULL, &s->stack);
    getitimer(ITIMER_REAL, &s->timers[0]);
    getitimer(ITIMER_VIRTUAL, &s->timers[1]);
    getitimer(ITIMER_PROF, &s->timers[2]);
    for (unsigned i = 0; i < RLIM_NLIMITS; i++)
        getrlimit((resource_t)i, &s->limits[i]);
    if (getcwd(s->directory, sizeof s->directory) == NULL)
        s->directory[0] = '\0';
    s->umask = umask(077);
    umask(s->umask);
    s->group = getpgrp();
    s->session = getsid(0);
    s->environment = environ;
    for (char **e = environ; *e != NULL; e++)
        s->variables++;
    s->heap = heap_in_use();
}

/* Compares member by member: bits for which the kernel has no signal are indeterminate. */
static bool same_set(const sigset_t *a, const sigset_t *b)
{
    for (int signal = 1; signal < SIGNALS; signal++)
        if (sigismember(a, signal) != sigismember(b, signal))
            return false;
    return true;
}

static bool same_signals(const struct snapshot *a, const struct snapshot *b)
{
    for (int signal = 1; signal < SIGNALS; signal++)
        if (a->actions[signal].sa_handler != b->actions[signal].sa_handler ||
            a->actions[signal].sa_flags != b->actions[signal].sa_flags ||
            !same_set(&a->actions[signal].sa_mask, &b->actions[signal].sa_mask))
            return false;
    return same_set(&a->mask, &b->mask) && same_set(&a->pending, &b->pending) && a->stack.ss_sp == b->stack.ss_sp &&
           a->stack.ss_flags == b->stack.ss_flags;
}

static int compare(const struct snapshot *a, const struct snapshot *b)
{
    CHECK(a->traces.descriptors == b->traces.descriptors);
    CHECK(a->traces.children == b->traces.children);
    CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
    CHECK(abs(a->traces.mappings - b->traces.mappings) <= NOISE_MAPPINGS || under_sanitizer() || under_valgrind());
    CHECK(same_signals(a, b));
    CHECK(memcmp(a->timers, b->timers, sizeof a->timers) == 0);
    CHECK(memcmp(a->limits, b->limits, sizeof a->limits) == 0);
    CHECK(strcmp(a->directory, b->directory) == 0 && a->umask == b->umask);
    CHECK(a->group == b->group && a->session == b->session);
    CHECK(a->environment == b->environment && a->variables == b->variables);
    if (llabs(a->heap - b->heap) >= NOISE_BYTES)
        fprintf(stderr, "heap: %lld bytes before, %lld after\n", a->heap, b->heap);
    CHECK(llabs(a->heap - b->heap) < NOISE_BYTES);
    return 0;
}

/* ---- A thousand calls ------------------------------------------------------------------------ */

static int child_throws(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    forkcall_throw(9, "a message of some length");
}

static int child_changes_everything(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    umask(0);
    signal(SIGTERM, SIG_IGN);
    alarm(1000);
    setenv("FORKCALL_TEST_CHANGED", "1", 1); // NOLINT(concurrency-mt-unsafe): what is tested
    return chdir(args == NULL ? "/" : args);
}

static int take_output(void *user, int fd, const char *data, size_t size)
{
    (void)user;
    (void)fd;
    (void)data;
    (void)size;
    return 0;
}

static int canceled(void)
{
    struct forkcall_call *call = NULL;
    CHECK(start_tested(&call, child_hangs, NULL, 0, NULL, NULL) == 0);
    forkcall_fd(call);
    forkcall_cancel(call);
    CHECK(forkcall_finish(call).status == FORKCALL_CANCELED);
    return 0;
}

struct row {
    forkcall_fn *fn;
    enum forkcall_status status;
    struct forkcall_options options;
};

static const int keep[] = {1, 2};

static const struct row rows[] = {
    {child_returns_0, FORKCALL_OK, {.close_fds = true, .keep_fds = keep, .keep_fds_count = 2}},
    {child_answers_large, FORKCALL_OK, {.timeout_ms = 0}},
    {child_answers_large, FORKCALL_TOO_BIG, {.max_result = 1000}},
    {child_answers_large, FORKCALL_TOO_BIG, {.max_result = 100000}},
    {child_fails_7, FORKCALL_FAILED, {.standard_input = FORKCALL_STREAM_NULL}},
    {child_throws, FORKCALL_FAILED, {.method = FORKCALL_INLINE}},
    {child_throws, FORKCALL_FAILED, {.standard_output = FORKCALL_STREAM_CAPTURE, .output = take_output}},
    {child_exits_3, FORKCALL_EXITED, {.share_group = true}},
    {child_ends_4, FORKCALL_EXITED, {.timeout_ms = 0}},
    {child_crashes, FORKCALL_SIGNALED, {.timeout_ms = 0}},
    {child_kills_itself, FORKCALL_SIGNALED, {.timeout_ms = 0}},
    {child_hangs, FORKCALL_TIMED_OUT, {.timeout_ms = 1}},
    {child_hangs, FORKCALL_TIMED_OUT, {.timeout_ms = 1, .grace_ms = 1}},
    {child_returns_0, FORKCALL_NOT_STARTED, {.timeout_ms = -1}},
    {child_returns_0, FORKCALL_NOT_STARTED, {.standard_output = FORKCALL_STREAM_CAPTURE}},
    {child_changes_everything, FORKCALL_OK, {.timeout_ms = 0}},
};
#define ROWS (sizeof rows / sizeof *rows)

static int call_row(size_t i, bool async)
{
    struct surroundings around = {.async = async};
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    struct forkcall_buf details = FORKCALL_BUF_INIT;
    struct forkcall_options options = rows[i].options;
    options.details = &details;
    const struct forkcall_report report = run_in(&around, rows[i].fn, NULL, 0, &result, &options);
    if (report.status != rows[i].status)
        fprintf(stderr, "row %zu: %s: %s\n", i, forkcall_status_name(report.status), report.message);
    CHECK(report.status == rows[i].status);
    forkcall_buf_free(&result);
    forkcall_buf_free(&details);
    return 0;
}

static int call_mixed(int calls)
{
    for (int i = 0; i < calls; i++) {
        CHECK(call_row((size_t)i % ROWS, (size_t)i / ROWS % 2 != 0) == 0);
        CHECK(i % 10 != 0 || canceled() == 0);
    }
    return 0;
}

/* Gives the host state of its own wherever a library could disturb it. */
static void set_up_host(void)
{
    static char stack[65536];
    const stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    const struct itimerval far = {{0, 0}, {100000, 0}};
    sigset_t set;
    sigaltstack(&alternate, NULL);
    setitimer(ITIMER_PROF, &far, NULL);
    setitimer(ITIMER_VIRTUAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGUSR2); /* SIGUSR2 stays pending */
    signal(SIGUSR1, SIG_IGN);
    signal(SIGPIPE, SIG_DFL);
    umask(027);
}

static int check_everything(void *unused)
{
    struct snapshot fresh;
    struct snapshot before;
    struct snapshot after;
    (void)unused;
    set_up_host();
    CHECK(warm_up());
    take_snapshot(&fresh);
    CHECK(call_mixed(WARM_UP) == 0);
    take_snapshot(&before);
    CHECK(same_signals(&fresh, &before) && fresh.traces.descriptors == before.traces.descriptors);
    const bool is_slow = under_sanitizer() || under_valgrind() || under_emulator() || time_factor() > 1;
    CHECK(call_mixed(is_slow ? CALLS_SLOW : CALLS) == 0);
    take_snapshot(&after);
    /* This timer keeps running: the host has set it, and no call has changed it. */
    CHECK(after.timers[2].it_value.tv_sec > 0);
    memset(&before.timers[2], 0, sizeof before.timers[2]);
    memset(&after.timers[2], 0, sizeof after.timers[2]);
    CHECK(compare(&before, &after) == 0);
    return 0;
}

static void a_thousand_calls_leave_nothing_behind(void **state)
{
    (void)state;
    assert_int_equal(host_run(check_everything, NULL), 0);
}

/* ---- Limits of the host's own ---------------------------------------------------------------- */

/* The memory file of a result counts as a file, so the limit on file sizes applies to it. */
static int limit_file_size(void *unused)
{
    const struct rlimit limit = {4096, 4096};
    (void)unused;
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    struct surroundings around = {.async = false};
    CHECK(check_results(&around) == 0);
    around.async = true;
    CHECK(check_results(&around) == 0);
    return 0;
}

static void host_with_a_low_RLIMIT_FSIZE(void **state)
{
    (void)state;
    assert_int_equal(host_run(limit_file_size, NULL), 0);
}

#define HUGE ((size_t)512 << 20)

static int child_answers_huge(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    return forkcall_buf_extend(result, HUGE) == NULL ? 0 : 1;
}

static int limit_address_space(void *unused)
{
    const struct rlimit limit = {(rlim_t)256 << 20, (rlim_t)256 << 20};
    (void)unused;
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct surroundings around = {.async = false};
    CHECK(check_results(&around) == 0);
    const struct forkcall_report report = run_tested(child_answers_huge, NULL, 0, &result, NULL);
    CHECK(report.status == FORKCALL_FAILED && report.code == ENOMEM);
    CHECK(result.size == 0);
    CHECK(check_results(&around) == 0);
    return 0;
}

static void host_with_a_low_RLIMIT_AS(void **state)
{
    (void)state;
    if (under_sanitizer() || under_valgrind() || under_emulator())
        SKIP("the tool itself needs more memory");
    assert_int_equal(host_run(limit_address_space, NULL), 0);
}

/* ---- No more processes ----------------------------------------------------------------------- */

static int check_no_process(bool async)
{
    const struct surroundings around = {.async = async};
    const struct forkcall_options options = {.timeout_ms = PLENTY_MS};
    const struct forkcall_report report = run_in(&around, child_returns_0, NULL, 0, NULL, &options);
    CHECK(report.status == FORKCALL_NOT_STARTED && report.code == EAGAIN && report.ran == FORKCALL_RAN_NO);
    CHECK(strstr(report.message, method_shares_memory() ? "fork" : "posix_spawn") != NULL && report.pid == 0);
    return 0;
}

static int limit_processes(void *unused)
{
    const struct rlimit limit = {1, 1};
    struct snapshot before;
    struct snapshot after;
    (void)unused;
    CHECK(call_mixed(WARM_UP) == 0);
    /* The user has no other processes, so the limit applies to this process alone. The process may
     * still read its own /proc. */
    const unsigned user = lonely_user();
    CHECK(setgid(user) == 0 && setuid(user) == 0 && prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0);
    CHECK(setrlimit(RLIMIT_NPROC, &limit) == 0);
    /* The first call retires the server, which is root's; the others warm up the heap. */
    for (int i = 0; i < 20; i++)
        CHECK(check_no_process(i % 2 != 0) == 0);
    take_snapshot(&before);
    for (int i = 0; i < 20; i++)
        CHECK(check_no_process(i % 2 != 0) == 0);
    take_snapshot(&after);
    CHECK(compare(&before, &after) == 0);
    return 0;
}

static void RLIMIT_NPROC_leaves_no_process(void **state)
{
    (void)state;
    if (getuid() != 0)
        SKIP("only root can become a user without processes");
    if (under_emulator())
        SKIP("the emulator has threads of its own");
    assert_int_equal(host_run(limit_processes, NULL), 0);
}

/* Forks until the limit is reached. Returns how many processes; -1: a fork failed for another
 * reason. */
static int take_processes(pid_t *pids, int most)
{
    for (int i = 0; i < most; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            hang();
        if (pids[i] < 0)
            return errno == EAGAIN ? i : -1;
    }
    return -1;
}

/* Makes more calls than there are spares, each of which holds its child. Returns how many were
 * refused because of the limit; -1: something else failed. */
static int run_together(const struct forkcall_options *options)
{
    struct forkcall_call *calls[4];
    int refused = 0;
    bool good = true;
    for (int i = 0; i < 4; i++)
        if (forkcall_start(&calls[i], child_hangs, NULL, 0, NULL, options) != 0)
            return -1;
    for (int i = 0; i < 4; i++) {
        forkcall_cancel(calls[i]);
        const struct forkcall_report report = forkcall_finish(calls[i]);
        const bool was_refused = report.status == FORKCALL_NOT_STARTED;
        good = good && (was_refused ? report.code == EAGAIN && report.ran == FORKCALL_RAN_NO && report.pid == 0 &&
                                          strstr(report.message, "RLIMIT_NPROC") != NULL
                                    : report.status == FORKCALL_CANCELED);
        refused += was_refused;
    }
    return good ? refused : -1;
}

static int limit_processes_of_the_server(void *unused)
{
    const struct rlimit limit = {16, 16};
    const unsigned user = lonely_user();
    const int kept = STDERR_FILENO + 1;
    const struct forkcall_options options = {
        .method = FORKCALL_SERVER, .timeout_ms = PLENTY_MS, .keep_fds = &kept, .keep_fds_count = 1};
    pid_t pids[20];
    int refused = 0;
    (void)unused;
    CHECK(dup2(STDERR_FILENO, kept) == kept);
    CHECK(setgid(user) == 0 && setuid(user) == 0 && prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0);
    CHECK(setrlimit(RLIMIT_NPROC, &limit) == 0);
    CHECK(warm_up());
    for (int i = 0; i < 5; i++) {
        const int count = take_processes(pids, 20);
        CHECK(count >= 0);
        /* Each call takes the place of a child: of a spare, of which there are two at most, or of
         * a child that ends just then. */
        const int now = run_together(&options);
        CHECK(now >= 0);
        refused += now;
        CHECK(forkcall_server_start(NULL) == -EALREADY); /* the same server still serves */
        for (int j = 0; j < count; j++)
            CHECK(kill(pids[j], SIGKILL) == 0 && waitpid(pids[j], NULL, 0) == pids[j]);
        const struct forkcall_report report = run_tested(child_returns_0, NULL, 0, NULL, &options);
        CHECK(report.status == FORKCALL_OK);
    }
    CHECK(refused > 0);
    return 0;
}

static void RLIMIT_NPROC_leaves_a_server_no_process(void **state)
{
    (void)state;
    if (tested_method() != FORKCALL_SERVER)
        SKIP("there is no server");
    if (getuid() != 0 || under_emulator())
        SKIP("only root can become a user without processes");
    assert_int_equal(host_run(limit_processes_of_the_server, NULL), 0);
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thousand_calls_leave_nothing_behind),
        cmocka_unit_test(host_with_a_low_RLIMIT_FSIZE),
        cmocka_unit_test(host_with_a_low_RLIMIT_AS),
        cmocka_unit_test(RLIMIT_NPROC_leaves_no_process),
        cmocka_unit_test(RLIMIT_NPROC_leaves_a_server_no_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
