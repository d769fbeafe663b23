/* Calls under a filter of system calls that refuses what Docker's default profile refuses a
 * container without capabilities, by libseccomp. Where clone3 is refused, it is with ENOSYS, so
 * that the C library falls back to clone. */
#include "support.h"

#include <errno.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* System calls behind this one were added when the filter was written already, and are refused, as
 * all that a profile does not know. */
#define LAST_KNOWN 449
#define NEW_NAMESPACES \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)
#define CALLS 50
#define LARGE ((size_t)1 << 20)

static const char *const refused[] = {
    "_sysctl",
    "acct",
    "add_key",
    "bpf",
    "clock_settime",
    "create_module",
    "delete_module",
    "fanotify_init",
    "finit_module",
    "fsconfig",
    "fsmount",
    "fsopen",
    "fspick",
    "get_kernel_syms",
    "get_mempolicy",
    "init_module",
    "io_uring_enter",
    "io_uring_register",
    "io_uring_setup",
    "ioperm",
    "iopl",
    "kcmp",
    "kexec_file_load",
    "kexec_load",
    "keyctl",
    "lookup_dcookie",
    "mbind",
    "migrate_pages",
    "mount",
    "mount_setattr",
    "move_mount",
    "move_pages",
    "nfsservctl",
    "open_by_handle_at",
    "open_tree",
    "perf_event_open",
    "pidfd_getfd",
    "pivot_root",
    "process_madvise",
    "query_module",
    "quotactl",
    "quotactl_fd",
    "reboot",
    "request_key",
    "set_mempolicy",
    "setdomainname",
    "sethostname",
    "setns",
    "settimeofday",
    "stime",
    "swapoff",
    "swapon",
    "sysfs",
    "syslog",
    "umount",
    "umount2",
    "unshare",
    "userfaultfd",
    "uselib",
    "ustat",
    "vhangup",
    "vm86",
    "vm86old",
};

static enum forkcall_method method;
/* What is answered to a system call that the profile does not know: EPERM, or ENOSYS. */
static int unknown = EPERM;

static bool is_refused(const char *name)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (strcmp(refused[i], name) == 0)
            return true;
    return false;
}

static int add(scmp_filter_ctx filter, int number, const char *name)
{
    if (is_refused(name))
        return unknown == EPERM ? 0 : seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 0);
    if (strcmp(name, "clone") == 0)
        return seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 1, SCMP_A0(SCMP_CMP_MASKED_EQ, NEW_NAMESPACES, 0));
    if (strcmp(name, "clone3") == 0) /* its flags lie in memory, which no filter sees */
        return unknown == ENOSYS ? 0 : seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), number, 0);
    if (strcmp(name, "socket") == 0)
        return seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 1, SCMP_A0(SCMP_CMP_NE, AF_VSOCK));
    if (strcmp(name, "personality") == 0)
        return seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 1, SCMP_A0(SCMP_CMP_EQ, 0));
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
}

/* 0, or a negative errno. */
static int confine(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO((unsigned)unknown));
    int r = filter != NULL ? 0 : -ENOMEM;
    for (int number = 0; r == 0 && number <= LAST_KNOWN; number++) {
        char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);
        if (name != NULL)
            r = add(filter, number, name);
        free(name);
    }
    if (r == 0)
        r = seccomp_load(filter);
    seccomp_release(filter);
    return r;
}

static int gives_many_bytes(const void *args, size_t args_size, struct forkcall_buf *result)
{
    void *bytes = forkcall_buf_extend(result, LARGE);
    (void)args_size;
    if (bytes == NULL)
        return ENOMEM;
    memset(bytes, *(const unsigned char *)args, LARGE);
    return 0;
}

static int reads_nothing(const void *args, size_t args_size, struct forkcall_buf *result)
{
    volatile const char *nothing = args;
    (void)args_size;
    (void)result;
    return nothing[8];
}

static int calls(void *unused)
{
    struct forkcall_options options = {.method = method, .timeout_ms = PLENTY_MS};
    (void)unused;
    /* A service that is confined from its start: its server is, too. */
    const int r = confine();
    if (r == -EINVAL || r == -ENOSYS || r == -EFAULT)
        return NOT_HERE;
    CHECK(r == 0);
    /* The filter does what it is meant to do. */
    CHECK(syscall(SYS_kcmp, getpid(), getpid(), 0, 0, 0) < 0 && errno == EPERM);
    CHECK(syscall(SYS_clone3, NULL, 0) < 0 && errno == ENOSYS);
    CHECK(syscall(SYS_unshare, CLONE_NEWUTS) < 0 && errno == EPERM);
    const struct traces before = traces_now();
    for (int i = 0; i < CALLS; i++) {
        int answer = 0;
        struct forkcall_buf result = forkcall_buf_fixed(&answer, sizeof answer);
        const struct forkcall_report report = forkcall_run(child_answers_42, NULL, 0, &result, &options);
        if (report.status != FORKCALL_OK)
            fprintf(stderr, "%s: %s\n", forkcall_status_name(report.status), report.message);
        CHECK(report.status == FORKCALL_OK && answer == 42 && report.method == method);
    }
    struct forkcall_buf large = FORKCALL_BUF_INIT;
    CHECK(forkcall_run(gives_many_bytes, "x", 2, &large, &options).status == FORKCALL_OK);
    CHECK(large.size == LARGE && ((const char *)large.data)[LARGE - 1] == 'x');
    forkcall_buf_free(&large);
    const struct forkcall_report crashed = forkcall_run(reads_nothing, NULL, 0, NULL, &options);
    CHECK(crashed.status == FORKCALL_SIGNALED && crashed.code == SIGSEGV && crashed.crash.signal == SIGSEGV);
    options.timeout_ms = 50;
    CHECK(forkcall_run(child_hangs, NULL, 0, NULL, &options).status == FORKCALL_TIMED_OUT);
    CHECK(forkcall_server_stop() == 0);
    assert_no_traces(before, false);
    return 0;
}

static void assert_calls(int error)
{
    unknown = error;
    const int r = host_run(calls, NULL);
    if (r == NOT_HERE)
        SKIP("system calls cannot be filtered here");
    assert_int_equal(r, 0);
}

static void calls_in_a_container_end_as_outside(void **state)
{
    (void)state;
    assert_calls(EPERM);
}

/* As in profiles whose default is ENOSYS. */
static void calls_in_a_container_that_seems_to_have_an_old_kernel_end_as_outside(void **state)
{
    (void)state;
    assert_calls(ENOSYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_in_a_container_end_as_outside),
        cmocka_unit_test(calls_in_a_container_that_seems_to_have_an_old_kernel_end_as_outside),
    };
    forkcall_init();
    method = tested_method();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
