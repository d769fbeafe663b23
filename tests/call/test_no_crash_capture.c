/* Tests calls whose crashes the library leaves to others (options.no_crash_capture).
 *
 * SPDX-License-Identifier: MIT */
#include "children.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Those that a host may have a crash reporter for come first. */
#define FATAL 7
static const int caught[] = {SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,  SIGTRAP, SIGSYS,
                             SIGABRT, SIGXCPU, SIGXFSZ, SIGPIPE, SIGALRM};
#define CAUGHT (sizeof caught / sizeof *caught)

#define REPORTED 42 /* the exit status of a process whose crash reporter has run */

static struct forkcall_options uncaptured(void)
{
    const struct forkcall_options options = {.timeout_ms = PLENTY_MS, .no_crash_capture = true};
    return options;
}

/* cmocka catches crashes itself, and a fork would have its handlers. */
static struct sigaction of_cmocka[CAUGHT];

static void drop_handlers(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    for (size_t i = 0; i < CAUGHT; i++)
        sigaction(caught[i], &action, &of_cmocka[i]);
}

static void restore_handlers(void)
{
    for (size_t i = 0; i < CAUGHT; i++)
        sigaction(caught[i], &of_cmocka[i], NULL);
}

static struct forkcall_report run(forkcall_fn *fn)
{
    const struct forkcall_options options = uncaptured();
    drop_handlers();
    const struct forkcall_report r = run_tested(fn, NULL, 0, NULL, &options);
    restore_handlers();
    return r;
}

static int crashes(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    abort();
}

static int faults(const void *args, size_t args_size, struct forkcall_buf *result)
{
    volatile uintptr_t nowhere = 0;
    (void)args;
    (void)args_size;
    (void)result;
    *(volatile char *)nowhere = 1; // NOLINT(clang-analyzer-core.NullDereference): the crash that is wanted
    return 0;
}

static bool is_default(int signal)
{
    struct sigaction now;
    return sigaction(signal, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == SIG_DFL;
}

static bool has_alternate_stack(void)
{
    stack_t stack;
    return sigaltstack(NULL, &stack) == 0 && (stack.ss_flags & SS_DISABLE) == 0;
}

/* Fails with the number of a signal that is caught, or with 1000. */
static int finds_defaults(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    for (size_t i = 0; i < CAUGHT; i++)
        if (!is_default(caught[i]))
            return caught[i];
    return has_alternate_stack() ? 1000 : 0;
}

static void assert_only_the_signal(const struct forkcall_report *report, int signal, const char *message)
{
    static const struct forkcall_crash none;
    assert_status(*report, FORKCALL_SIGNALED);
    assert_int_equal(report->code, signal);
    assert_true(WIFSIGNALED(report->wait_status) && WTERMSIG(report->wait_status) == signal);
    assert_memory_equal(&report->crash, &none, sizeof none);
    assert_string_equal(report->message, message);
}

static void report_of_a_crash_without_capture_has_the_signal_alone(void **state)
{
    (void)state;
    if (under_sanitizer())
        SKIP("the sanitizer catches crashes itself");
    struct forkcall_report r = run(faults);
    assert_only_the_signal(&r, SIGSEGV, "killed by SIGSEGV");
    r = run(crashes);
    assert_only_the_signal(&r, SIGABRT, "killed by SIGABRT");
}

static void child_without_capture_has_default_dispositions(void **state)
{
    (void)state;
    if (under_sanitizer())
        SKIP("the sanitizer has handlers and stacks of its own");
    const struct forkcall_report r = run(finds_defaults);
    assert_status(r, FORKCALL_OK);
}

/* ---- A host with a crash reporter ------------------------------------------------------------ */

static void report(int signal)
{
    stack_t stack;
    (void)signal;
    _exit(sigaltstack(NULL, &stack) == 0 && (stack.ss_flags & SS_ONSTACK) != 0 ? REPORTED : 1);
}

static int catches_crashes(void)
{
    static _Alignas(16) unsigned char memory[65536];
    const stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory};
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = report;
    action.sa_flags = SA_ONSTACK;
    for (size_t i = 0; i < CAUGHT; i++)
        if (sigaction(caught[i], &action, NULL) < 0)
            return -1;
    return sigaltstack(&stack, NULL);
}

static int finds_reporters_of_crashes_alone(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    for (size_t i = 0; i < CAUGHT; i++)
        if (is_default(caught[i]) != (i >= FATAL))
            return caught[i];
    return 0;
}

static int host_with_reporters(void *unused)
{
    (void)unused;
    CHECK(catches_crashes() == 0);
    struct forkcall_options options = uncaptured();
    options.method = FORKCALL_FORK;
    options.allow_unsafe_fork = true;
    struct forkcall_report r = forkcall_run(finds_reporters_of_crashes_alone, NULL, 0, NULL, &options);
    CHECK(r.status == FORKCALL_OK);
    r = forkcall_run(faults, NULL, 0, NULL, &options);
    CHECK(r.status == FORKCALL_EXITED && r.code == REPORTED);
    options.no_crash_capture = false;
    r = forkcall_run(faults, NULL, 0, NULL, &options);
    CHECK(r.status == FORKCALL_SIGNALED && r.code == SIGSEGV && r.crash.signal == SIGSEGV);
    return 0;
}

static void handlers_of_the_host_stay_by_FORK(void **state)
{
    (void)state;
    if (!method_shares_memory())
        SKIP("only a fork has the host's handlers");
    if (under_sanitizer())
        SKIP("the sanitizer allows no other handlers of crashes");
    assert_int_equal(host_run(host_with_reporters, NULL), 0);
}

/* ---- Calls around and after ------------------------------------------------------------------ */

static int has_a_child_that_finds_defaults(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    struct forkcall_options options = uncaptured();
    options.method = FORKCALL_FORK;
    options.allow_unsafe_fork = true;
    const struct forkcall_report r = forkcall_run(finds_defaults, NULL, 0, NULL, &options);
    return r.status == FORKCALL_OK ? 0 : r.status == FORKCALL_FAILED ? r.code : 2000;
}

static void call_inside_a_captured_call_does_not_inherit_the_capture(void **state)
{
    (void)state;
    if (under_sanitizer())
        SKIP("the sanitizer has handlers and stacks of its own");
    const struct forkcall_options options = {.timeout_ms = PLENTY_MS};
    const struct forkcall_report r = run_tested(has_a_child_that_finds_defaults, NULL, 0, NULL, &options);
    assert_status(r, FORKCALL_OK);
}

static int catches_SIGBUS(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    return signal(SIGBUS, report) == SIG_ERR;
}

struct reuse {
    pid_t pid;
    forkcall_fn *fn;
    bool capture;
    struct forkcall_report report;
};

/* For wait_until: a call has been served by a process that has served a call before. */
static bool is_served_again(void *context)
{
    struct reuse *reuse = context;
    struct forkcall_options options = uncaptured();
    options.no_crash_capture = !reuse->capture;
    reuse->report = run_tested(reuse->fn, NULL, 0, NULL, &options);
    const bool again = reuse->report.pid == reuse->pid;
    reuse->pid = reuse->report.pid;
    return again || reuse->report.status != FORKCALL_OK;
}

static void kept_child_changes_between_capture_and_none(void **state)
{
    (void)state;
#ifdef TEST_PORTABLE
    SKIP("no child is kept");
#endif
    if (!tested_calls_reuse_children() || has_musl())
        SKIP("no child is kept");
    if (under_sanitizer() || under_emulator())
        SKIP("the sanitizer or emulator keeps children from being kept");
    for (int i = 0; i < 3; i++) {
        struct reuse reuse = {.fn = finds_defaults};
        assert_true(wait_until(is_served_again, &reuse));
        assert_status(reuse.report, FORKCALL_OK);
        const pid_t pid = reuse.pid;
        const struct forkcall_options captured = {.timeout_ms = PLENTY_MS};
        const struct forkcall_report r = run_tested(faults, NULL, 0, NULL, &captured);
        assert_status(r, FORKCALL_SIGNALED);
        if (r.pid == pid) { /* else it was not ready yet */
            assert_int_equal(r.crash.signal, SIGSEGV);
            assert_true(r.crash.frame_count > 0 || r.crash.program_counter == 0);
        }
    }
}

static void child_whose_function_has_a_handler_is_not_kept(void **state)
{
    (void)state;
    if (!tested_calls_reuse_children())
        SKIP("no child is kept");
    for (int i = 0; i < 3; i++) {
        const struct forkcall_report first = run(catches_SIGBUS);
        const struct forkcall_report second = run(finds_defaults);
        assert_status(first, FORKCALL_OK);
        assert_int_not_equal(first.pid, second.pid);
        assert_true(under_sanitizer() || second.status == FORKCALL_OK);
    }
}

static void items_of_a_map_are_not_captured(void **state)
{
    (void)state;
    if (under_sanitizer())
        SKIP("the sanitizer catches crashes itself");
    for (uint64_t items = 1; items <= 4; items += 3) {
        struct forkcall_map_options options = {.call = uncaptured(), .processes = 2, .items_per_child = items};
        struct forkcall_report reports[2];
        options.call.method = tested_method();
        options.call.allow_unsafe_fork = true;
        drop_handlers();
        forkcall_map(faults, NULL, 0, 2, NULL, reports, &options);
        restore_handlers();
        for (int i = 0; i < 2; i++) {
            assert_status(reports[i], FORKCALL_SIGNALED);
            assert_int_equal(reports[i].code, SIGSEGV);
            assert_int_equal(reports[i].crash.signal, 0);
        }
    }
}

int main(void)
{
    forkcall_init();
#define TEST(name) cmocka_unit_test_setup(name, set_up_test)
    const struct CMUnitTest tests[] = {
        TEST(report_of_a_crash_without_capture_has_the_signal_alone),
        TEST(child_without_capture_has_default_dispositions),
        TEST(handlers_of_the_host_stay_by_FORK),
        TEST(call_inside_a_captured_call_does_not_inherit_the_capture),
        TEST(kept_child_changes_between_capture_and_none),
        TEST(child_whose_function_has_a_handler_is_not_kept),
        TEST(items_of_a_map_are_not_captured),
    };
    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
