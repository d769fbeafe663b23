/* Tests kernels and sandboxes that lack or refuse some system calls: every outcome is still
 * reported, by another way. */
#include "outcomes.h"
#include "refuse_syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifdef SYS_fcntl64
#define SYS_FCNTL SYS_fcntl64
#else
#define SYS_FCNTL SYS_fcntl
#endif

#define P_PIDFD_ 3
#define PIDFD_IOCTLS 0xff00U
#define F_GETOWN_EX_ 16 /* by which C libraries ask for F_GETOWN */
#ifndef F_SETSIG
#define F_SETSIG 10
#endif
#ifndef F_ADD_SEALS
#define F_ADD_SEALS 1033
#endif

/* The rule that refuses a call, how the outcomes then differ, and whether the host also ignores
 * SIGCHLD. */
struct sandbox {
    struct refusal rule;
    unsigned known; /* bits of enum known */
};
enum known { IGNORE_SIGCHLD = 1, MAY_BE_LOST = 2, GROUP_MAY_LIVE = 4, NO_GROUP = 8 };

static int check_in_sandbox(void *context)
{
    const struct sandbox *sandbox = context;
    struct surroundings around = {.may_be_lost = (sandbox->known & MAY_BE_LOST) != 0,
                                  .group_may_live = (sandbox->known & GROUP_MAY_LIVE) != 0};
    /* The server reaps its children itself, so the host's surroundings do not matter. */
    if (tested_method() == FORKCALL_SERVER)
        around = (struct surroundings){.async = false};
    if ((sandbox->known & IGNORE_SIGCHLD) != 0) {
        const struct surroundings reaper = surroundings_of_reaper();
        around.may_be_lost |= reaper.may_be_lost;
        around.group_may_live |= reaper.group_may_live;
        signal(SIGCHLD, SIG_IGN);
    }
    if (!refuse(&sandbox->rule, 1))
        return NOT_HERE;
    if ((sandbox->known & NO_GROUP) != 0)
        return check_results(&around);
    return check_outcomes_both_ways(around);
}

static int run_in_sandbox(struct refusal rule, unsigned known)
{
    struct sandbox sandbox = {.rule = rule, .known = known};
    return host_run(check_in_sandbox, &sandbox);
}

/* The rule refuses one thing. The outcomes must be the same as without the rule, also if the host
 * ignores SIGCHLD. */
#define CHECK_SANDBOX(rule, extra)                  \
    do {                                            \
        const int r_ = run_in_sandbox(rule, extra); \
        if (r_ == NOT_HERE)                         \
            SKIP("seccomp filters cannot be set");  \
        assert_int_equal(r_, 0);                    \
    } while (0)

#define ANY(number, error) ((struct refusal){(number), (error), -1, REFUSE_IF_MASKED_IS, 0, 0})

/* ---- Processes ------------------------------------------------------------------------------- */

static void kernel_without_pidfd_open(void **state)
{
    (void)state;
    CHECK_SANDBOX(ANY(SYS_pidfd_open, ENOSYS), 0);
    CHECK_SANDBOX(ANY(SYS_pidfd_open, ENOSYS), IGNORE_SIGCHLD | MAY_BE_LOST | GROUP_MAY_LIVE);
}

static void sandbox_that_refuses_pidfd_open(void **state)
{
    (void)state;
    CHECK_SANDBOX(ANY(SYS_pidfd_open, EPERM), 0);
    CHECK_SANDBOX(ANY(SYS_pidfd_open, EMFILE), 0);
}

static void kernel_without_waitid_on_a_pidfd(void **state)
{
    const struct refusal rule = {SYS_waitid, EINVAL, 0, REFUSE_IF_MASKED_IS, UINT32_MAX, P_PIDFD_};
    (void)state;
    CHECK_SANDBOX(rule, 0);
    CHECK_SANDBOX(rule, IGNORE_SIGCHLD | MAY_BE_LOST | GROUP_MAY_LIVE);
}

static void kernel_that_keeps_no_exit_codes(void **state)
{
    const struct refusal rule = {SYS_ioctl, ENOTTY, 1, REFUSE_IF_MASKED_IS, 0xff00, PIDFD_IOCTLS};
    (void)state;
    CHECK_SANDBOX(rule, 0);
    CHECK_SANDBOX(rule, IGNORE_SIGCHLD | MAY_BE_LOST);
}

static void kernel_that_cannot_signal_the_group_of_a_pidfd(void **state)
{
    const struct refusal rule = {SYS_pidfd_send_signal, EINVAL, 3, REFUSE_UNLESS_MASKED_IS, UINT32_MAX, 0};
    (void)state;
    CHECK_SANDBOX(rule, 0);
    CHECK_SANDBOX(rule, IGNORE_SIGCHLD | GROUP_MAY_LIVE);
}

static void sandbox_that_refuses_pidfd_send_signal(void **state)
{
    (void)state;
    CHECK_SANDBOX(ANY(SYS_pidfd_send_signal, ENOSYS), 0);
    CHECK_SANDBOX(ANY(SYS_pidfd_send_signal, EPERM), 0);
}

/* ---- Waiting --------------------------------------------------------------------------------- */

static void sandbox_that_refuses_poll(void **state)
{
    (void)state;
#ifdef SYS_poll
    CHECK_SANDBOX(ANY(SYS_poll, EPERM), 0);
    CHECK_SANDBOX(ANY(SYS_poll, ENOSYS), IGNORE_SIGCHLD);
#else
    CHECK_SANDBOX(ANY(SYS_ppoll, EPERM), 0);
    CHECK_SANDBOX(ANY(SYS_ppoll, ENOSYS), IGNORE_SIGCHLD);
#endif
}

/* ---- Memory ---------------------------------------------------------------------------------- */

static void kernel_without_memory_files(void **state)
{
    (void)state;
    CHECK_SANDBOX(ANY(SYS_memfd_create, ENOSYS), 0);
    CHECK_SANDBOX(ANY(SYS_memfd_create, EPERM), 0);
}

static void kernel_without_seals(void **state)
{
    const struct refusal rule = {SYS_FCNTL, EINVAL, 1, REFUSE_IF_MASKED_IS, UINT32_MAX, F_ADD_SEALS};
    (void)state;
    CHECK_SANDBOX(rule, 0);
}

static void kernel_without_huge_pages_for_files(void **state)
{
    (void)state;
    CHECK_SANDBOX(ANY(SYS_madvise, EINVAL), 0);
}

/* ---- The rest -------------------------------------------------------------------------------- */

/* The call is tried ten times, because a machine under load may take a second for one. A child that
 * waited for its owner would take longer each time: two seconds, which only a machine that is not
 * said to be slow can tell. */
static int check_that_no_child_waits(void *context)
{
    const struct refusal *rules = context;
    const struct forkcall_options options = {.timeout_ms = 1000 * time_factor()};
    enum forkcall_status status = FORKCALL_TIMED_OUT;
    if (!refuse(rules, 2))
        return NOT_HERE;
    for (int i = 0; i < 10 && status == FORKCALL_TIMED_OUT; i++)
        status = run_tested(child_returns_0, NULL, 0, NULL, &options).status;
    CHECK(status == FORKCALL_OK);
    return 0;
}

static void sandbox_that_refuses_owners_of_pipes(void **state)
{
    const int refused[][2] = {{F_SETOWN, F_SETOWN}, {F_SETOWN, F_GETFL}, {F_GETOWN, F_GETOWN_EX_}};
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct refusal rules[2];
        for (int k = 0; k < 2; k++) {
            const uint32_t command = (uint32_t)refused[i][k];
            rules[k] = (struct refusal){SYS_FCNTL, EPERM, 1, REFUSE_IF_MASKED_IS, UINT32_MAX, command};
        }
        const int r = host_run(check_that_no_child_waits, rules);
        if (r == NOT_HERE)
            SKIP("seccomp filters cannot be set");
        assert_int_equal(r, 0);
    }
    const struct refusal rule = {SYS_FCNTL, EPERM, 1, REFUSE_IF_MASKED_IS, UINT32_MAX, F_SETOWN};
    CHECK_SANDBOX(rule, 0);
}

static void kernel_without_signals_for_pipes(void **state)
{
    const struct refusal rule = {SYS_FCNTL, EINVAL, 1, REFUSE_IF_MASKED_IS, UINT32_MAX, F_SETSIG};
    (void)state;
    CHECK_SANDBOX(rule, 0);
}

static void kernel_without_signalfd(void **state)
{
    (void)state;
    CHECK_SANDBOX(ANY(SYS_signalfd4, ENOSYS), 0);
}

static void sandbox_that_refuses_setpgid(void **state)
{
    (void)state;
    CHECK_SANDBOX(ANY(SYS_setpgid, EPERM), NO_GROUP);
}

/* Returns the descriptors of the child as bits. Only the lowest 64 are looked at. */
static int child_lists_descriptors(const void *args, size_t args_size, struct forkcall_buf *result)
{
    uint64_t open = 0;
    (void)args;
    (void)args_size;
    for (int fd = 0; fd < 64; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            open |= (uint64_t)1 << fd;
    return forkcall_buf_append(result, &open, sizeof open);
}

#define KEPT 40
#define CLOSED 41

static int close_without_close_range(void *unused)
{
    const struct refusal rule = ANY(SYS_close_range, ENOSYS);
    const int keep = KEPT;
    const struct forkcall_options options = {.close_fds = true, .keep_fds = &keep, .keep_fds_count = 1};
    uint64_t open = 0;
    struct forkcall_buf result = forkcall_buf_fixed(&open, sizeof open);
    (void)unused;
    CHECK(dup2(STDERR_FILENO, KEPT) == KEPT && dup2(STDERR_FILENO, CLOSED) == CLOSED);
    if (!refuse(&rule, 1))
        return NOT_HERE;
    const struct forkcall_report report = run_tested(child_lists_descriptors, NULL, 0, &result, &options);
    CHECK(report.status == FORKCALL_OK);
    CHECK((open & (uint64_t)1 << KEPT) != 0);
    CHECK((open & (uint64_t)1 << CLOSED) == 0);
    return 0;
}

static void kernel_without_close_range(void **state)
{
    (void)state;
    CHECK_SANDBOX(ANY(SYS_close_range, ENOSYS), 0);
    assert_int_equal(host_run(close_without_close_range, NULL), 0);
}

static void *do_nothing(void *unused)
{
    return unused;
}

static int count_threads_in_proc(void *unused)
{
    const struct refusal rule = ANY(SYS_unshare, EPERM);
    const struct surroundings around = {.async = false};
    pthread_t thread;
    (void)unused;
    if (!refuse(&rule, 1))
        return NOT_HERE;
    CHECK(check_outcomes_both_ways(around) == 0);
    /* Once a thread was started, the C library no longer knows whether a second thread runs. */
    CHECK(pthread_create(&thread, NULL, do_nothing, NULL) == 0);
    pthread_join(thread, NULL);
    for (int i = 0; i < 20; i++) {
        const struct forkcall_report report = run_tested(child_returns_0, NULL, 0, NULL, NULL);
        /* The kernel may need a moment to release the thread. */
        CHECK(report.status == FORKCALL_OK || i == 0);
        usleep(report.status == FORKCALL_OK ? 0 : 100000);
    }
    return 0;
}

static void sandbox_that_refuses_unshare(void **state)
{
    (void)state;
    const int r = host_run(count_threads_in_proc, NULL);
    if (r == NOT_HERE)
        SKIP("seccomp filters cannot be set");
    assert_int_equal(r, 0);
}

/* ---- Without /proc --------------------------------------------------------------------------- */

/* Without /proc the program's file cannot be found. A server that was started before must not be
 * used. */
static int check_no_copy_is_to_be_had(void)
{
    for (int i = 0; i < 2; i++) {
        const struct forkcall_report report = run_tested(child_returns_0, NULL, 0, NULL, NULL);
        CHECK(report.status == FORKCALL_NOT_STARTED && report.code == ENOENT && report.ran == FORKCALL_RAN_NO);
        CHECK(strstr(report.message, "the file of this program") != NULL);
    }
    return 0;
}

static int live_in_an_empty_root(void *root)
{
    const struct surroundings around = {.async = false};
    const struct forkcall_options null = {.standard_input = FORKCALL_STREAM_NULL};
    CHECK(warm_up());
    if (chroot(root) < 0 && (unshare(CLONE_NEWUSER) < 0 || chroot(root) < 0))
        return NOT_HERE;
    CHECK(chdir("/") == 0);
    CHECK(access("/proc", F_OK) < 0 && errno == ENOENT);
    if (!method_shares_memory())
        return check_no_copy_is_to_be_had();
    CHECK(check_outcomes_both_ways(around) == 0);
    /* There is no /dev/null: the call ends and names the step. */
    const struct forkcall_report report = run_tested(child_returns_0, NULL, 0, NULL, &null);
    CHECK(report.status == FORKCALL_NOT_STARTED && report.code == ENOENT && report.ran == FORKCALL_RAN_NO);
    CHECK(strstr(report.message, "standard streams") != NULL);
    return 0;
}

static void host_without_proc(void **state)
{
    char root[] = "/tmp/forkcall-test-XXXXXX";
    (void)state;
    assert_non_null(mkdtemp(root));
    const int r = host_run(live_in_an_empty_root, root);
    rmdir(root);
    if (r == NOT_HERE)
        SKIP("chroot is not allowed");
    assert_int_equal(r, 0);
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernel_without_pidfd_open),
        cmocka_unit_test(sandbox_that_refuses_pidfd_open),
        cmocka_unit_test(kernel_without_waitid_on_a_pidfd),
        cmocka_unit_test(kernel_that_keeps_no_exit_codes),
        cmocka_unit_test(kernel_that_cannot_signal_the_group_of_a_pidfd),
        cmocka_unit_test(sandbox_that_refuses_pidfd_send_signal),
        cmocka_unit_test(sandbox_that_refuses_poll),
        cmocka_unit_test(kernel_without_memory_files),
        cmocka_unit_test(kernel_without_seals),
        cmocka_unit_test(kernel_without_huge_pages_for_files),
        cmocka_unit_test(sandbox_that_refuses_owners_of_pipes),
        cmocka_unit_test(kernel_without_signals_for_pipes),
        cmocka_unit_test(kernel_without_signalfd),
        cmocka_unit_test(sandbox_that_refuses_setpgid),
        cmocka_unit_test(kernel_without_close_range),
        cmocka_unit_test(sandbox_that_refuses_unshare),
        cmocka_unit_test(host_without_proc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
