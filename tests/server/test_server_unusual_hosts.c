/* Tests what a host gives up, shares, or loses while the server runs: the server does not keep it,
 * and no other process gets anything of the library's. Argument: the path of a plugin. */
#include "host_changes.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <link.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *plugin_path;

/* ---- Rights ---------------------------------------------------------------------------------- */

#define LANDLOCK_CREATE 444 /* the same for all processors */
#define LANDLOCK_RESTRICT 446
#define MAKE_BLOCK_DEVICE (UINT64_C(1) << 11)
#define SET_MDWE 65 /* PR_SET_MDWE, Linux 6.3 */

/* Forbids nothing that the test needs. */
static int enter_landlock(void)
{
    const uint64_t refused = MAKE_BLOCK_DEVICE;
    const int rules = (int)syscall(LANDLOCK_CREATE, &refused, sizeof refused, 0);
    if (rules < 0)
        return NOT_HERE;
    const long r = syscall(LANDLOCK_RESTRICT, rules, 0);
    close(rules);
    return r < 0 ? NOT_HERE : 0;
}

static void host_that_enters_a_landlock_sandbox(void **state)
{
#ifdef TEST_PORTABLE
    SKIP("it is not looked for there");
#endif
    CHECK_CHANGE(enter_landlock);
}

/* Enters Landlock with no_new_privs, which the server would notice by itself. */
static int check_landlock_of_a_user(void *context)
{
    struct change change = {.make = enter_landlock};
    (void)context;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || (geteuid() == 0 && setuid(NOBODY) < 0))
        return NOT_HERE;
    return check_change(&change);
}

static void host_without_privileges_that_enters_a_landlock_sandbox(void **state)
{
    (void)state;
#ifdef TEST_PORTABLE
    SKIP("it is not looked for there");
#endif
    const int status = host_run(check_landlock_of_a_user, NULL);
    if (status == NOT_HERE)
        SKIP("no Landlock here");
    assert_int_equal(status, 0);
}

static int refuse_new_code(void)
{
    return prctl(SET_MDWE, 1, 0, 0, 0) < 0 ? NOT_HERE : 0;
}

static void host_that_refuses_new_code(void **state)
{
#ifdef TEST_PORTABLE
    SKIP("it is not looked for there");
#endif
    if (under_valgrind())
        SKIP("valgrind makes code");
    CHECK_CHANGE(refuse_new_code);
}

static int child_counts_groups(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int count = getgroups(0, NULL);
    (void)args;
    (void)args_size;
    return forkcall_buf_append(result, &count, sizeof count);
}

static int leave_groups(void *context)
{
    static gid_t groups[3000];
    int count = 0;
    (void)context;
    for (size_t i = 0; i < 3000; i++)
        groups[i] = (gid_t)(1000 + i);
    if (setgroups(3000, groups) < 0)
        return NOT_HERE;
    CHECK(ask(FORKCALL_SERVER, child_counts_groups, NULL, 0, &count, sizeof count) && count == 3000);
    CHECK(setgroups(1500, groups) == 0);
    CHECK(ask(FORKCALL_SERVER, child_counts_groups, NULL, 0, &count, sizeof count) && count == 1500);
    const pid_t before = server_pid();
    groups[1400] = 1;
    CHECK(before > 0 && setgroups(1500, groups) == 0);
    const pid_t after = server_pid();
    CHECK(after > 0 && after != before);
    return 0;
}

static void host_in_thousands_of_groups(void **state)
{
    (void)state;
    const int status = host_run(leave_groups, NULL);
    if (status == NOT_HERE)
        SKIP("only root can have so many groups");
    assert_int_equal(status, 0);
}

static int child_tells_session(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const pid_t session = getsid(0);
    (void)args;
    (void)args_size;
    return forkcall_buf_append(result, &session, sizeof session);
}

static int leave_session(void)
{
    pid_t session = -1;
    const struct forkcall_options options = {.method = FORKCALL_SERVER, .timeout_ms = PLENTY_MS, .share_group = true};
    CHECK(server_pid() > 0);
    CHECK(setsid() == getpid());
    CHECK(ask(FORKCALL_SERVER, child_tells_session, NULL, 0, &session, sizeof session));
    CHECK(session == getpid());
    const struct forkcall_report report = forkcall_run(child_returns_0, NULL, 0, NULL, &options);
    CHECK(ended(&report, FORKCALL_OK, FORKCALL_RAN_YES));
    return 0;
}

static int run_in_fork(int (*body)(void))
{
    int status = -1;
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0)
        _exit(body());
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int leave_session_in_fork(void *context)
{
    (void)context;
    return run_in_fork(leave_session); /* a fork is no leader of a process group */
}

static void host_that_begins_a_session(void **state)
{
    (void)state;
    assert_int_equal(host_run(leave_session_in_fork, NULL), 0);
}

/* ---- Process numbers ------------------------------------------------------------------------- */

/* The process has files of its own at the numbers where its parent's server had its descriptors. */
static int call_as_another_init(void)
{
    int files[8];
    CHECK(getpid() == 1);
    for (int i = 0; i < 8; i++)
        CHECK((files[i] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0);
    CHECK(server_pid() > 0);
    CHECK(forkcall_server_stop() == 0);
    for (int i = 0; i < 8; i++)
        CHECK(fcntl(files[i], F_GETFD) >= 0);
    return 0;
}

static int call_as_init(void)
{
    CHECK(getpid() == 1);
    CHECK(server_pid() > 0);
    if (unshare(CLONE_NEWPID) < 0)
        return NOT_HERE;
    return run_in_fork(call_as_another_init);
}

static int make_inits(void *context)
{
    (void)context;
    return unshare(CLONE_NEWPID) < 0 ? NOT_HERE : run_in_fork(call_as_init);
}

static void fork_with_the_number_of_its_parent(void **state)
{
    (void)state;
    const int status = host_run(make_inits, NULL);
    if (status == NOT_HERE)
        SKIP("only root can make process namespaces");
    assert_int_equal(status, 0);
}

/* ---- A re-executed program that cannot be reaped --------------------------------------------- */

static int call_traced(void)
{
    const struct forkcall_options options = {.method = FORKCALL_SERVER, .timeout_ms = 200};
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
        return NOT_HERE;
    raise(SIGSTOP);
    const struct forkcall_report report = forkcall_run(child_returns_0, NULL, 0, NULL, &options);
    CHECK(ended(&report, FORKCALL_TIMED_OUT, FORKCALL_RAN_NO));
    return 0;
}

struct traced {
    pid_t host, held; /* 0: not known yet */
    int status;       /* -1: the host has not ended */
};

/* True: the host has ended. Holds the host's re-executed program at its start, and does not reap
 * it. */
static bool host_has_ended(void *context)
{
    struct traced *traced = context;
    int status;
    const pid_t pid = waitpid(traced->held != 0 ? traced->host : -1, &status, WNOHANG | __WALL);
    if (pid <= 0)
        return false;
    if (!WIFSTOPPED(status)) {
        if (pid == traced->host)
            traced->status = status;
        return pid == traced->host;
    }
    if (pid != traced->host && status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8)) {
        traced->held = pid;
        return false;
    }
    const int signal = WSTOPSIG(status) == SIGTRAP || WSTOPSIG(status) == SIGSTOP ? 0 : WSTOPSIG(status);
    ptrace(PTRACE_CONT, pid, NULL, signal);
    return false;
}

static int trace_host(void *context)
{
    struct traced traced = {.status = -1};
    int status = -1;
    (void)context;
    fflush(NULL);
    traced.host = fork();
    if (traced.host == 0)
        _exit(call_traced());
    CHECK(waitpid(traced.host, &status, 0) == traced.host);
    if (!WIFSTOPPED(status) || ptrace(PTRACE_SETOPTIONS, traced.host, NULL,
                                      PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
                                          PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL) < 0)
        return NOT_HERE;
    ptrace(PTRACE_CONT, traced.host, NULL, 0);
    CHECK(wait_until(host_has_ended, &traced));
    CHECK(traced.held != 0);
    CHECK(WIFEXITED(traced.status) && WEXITSTATUS(traced.status) == 0);
    return 0;
}

static void copy_that_is_held_after_its_end(void **state)
{
    (void)state;
    if (under_valgrind() || under_emulator())
        SKIP("the tool cannot be traced so");
    const int status = host_run(trace_host, NULL);
    if (status == NOT_HERE)
        SKIP("processes may not be traced here");
    assert_int_equal(status, 0);
}

/* ---- A number above the limit ---------------------------------------------------------------- */

static int keep_a_high_number(void *context)
{
    static const enum forkcall_method methods[] = {FORKCALL_SERVER, FORKCALL_SPAWN};
    const int high = 500;
    const struct rlimit limit = {100, 1000};
    (void)context;
    if (dup2(STDERR_FILENO, high) != high || setrlimit(RLIMIT_NOFILE, &limit) < 0)
        return NOT_HERE;
    for (size_t i = 0; i < 2; i++) {
        const struct forkcall_options options = {
            .method = methods[i], .timeout_ms = PLENTY_MS, .keep_fds = &high, .keep_fds_count = 1};
        const struct forkcall_report report = forkcall_run(child_returns_0, NULL, 0, NULL, &options);
        CHECK(ended(&report, FORKCALL_NOT_STARTED, FORKCALL_RAN_NO));
        CHECK(strstr(report.message, "keep_fds") != NULL);
    }
    return 0;
}

static void kept_descriptor_above_the_limit(void **state)
{
    (void)state;
    const int status = host_run(keep_a_high_number, NULL);
    if (status == NOT_HERE)
        SKIP("no such limits here");
    assert_int_equal(status, 0);
}

/* ---- Usage of children, and modules without a name ------------------------------------------- */

static uint64_t used_ns(int who)
{
    struct rusage usage;
    if (getrusage(who, &usage) < 0)
        return 0;
    return ((uint64_t)usage.ru_utime.tv_sec + (uint64_t)usage.ru_stime.tv_sec) * 1000000000U +
           ((uint64_t)usage.ru_utime.tv_usec + (uint64_t)usage.ru_stime.tv_usec) * 1000U;
}

/* Its result is the time used by a process that it has waited for. */
static int child_waits_for_worker(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    const pid_t pid = fork();
    if (pid == 0) {
        while (used_ns(RUSAGE_SELF) < 100000000U) {
        }
        _exit(0);
    }
    if (waitpid(pid, NULL, 0) != pid)
        return errno;
    const uint64_t used = used_ns(RUSAGE_CHILDREN);
    return forkcall_buf_append(result, &used, sizeof used);
}

static int count_usage(void *context)
{
    uint64_t used = 0;
    struct forkcall_buf result = forkcall_buf_fixed(&used, sizeof used);
    const struct forkcall_options options = {.method = FORKCALL_SERVER, .timeout_ms = PLENTY_MS};
    (void)context;
    const struct forkcall_report report = forkcall_run(child_waits_for_worker, NULL, 0, &result, &options);
    CHECK(ended(&report, FORKCALL_OK, FORKCALL_RAN_YES));
    CHECK(used >= 100000000U);
    CHECK(!report.usage_known || report.user_ns + report.system_ns >= used);
    return 0;
}

static void usage_of_what_a_child_waited_for(void **state)
{
    (void)state;
    assert_int_equal(host_run(count_usage, NULL), 0);
}

static bool has_no_children(void *unused)
{
    const struct forkcall_options options = {.method = FORKCALL_FORK, .timeout_ms = PLENTY_MS};
    (void)unused;
    const struct forkcall_report report = forkcall_run(child_returns_0, NULL, 0, NULL, &options);
    return report.status == FORKCALL_OK && children_of(getpid(), NULL, 0) == 0;
}

static int stop_as_subreaper(void *context)
{
    (void)context;
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return NOT_HERE;
    for (int i = 0; i < 4; i++) {
        CHECK(server_pid() > 0);
        CHECK(forkcall_server_stop() == 0);
    }
    CHECK(wait_until(has_no_children, NULL));
    return 0;
}

static void server_of_a_host_that_gets_orphans(void **state)
{
    (void)state;
    const int status = host_run(stop_as_subreaper, NULL);
    if (status == NOT_HERE)
        SKIP("no subreapers here");
    assert_int_equal(status, 0);
}

static bool is_prepared;

static int prepare_notes(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    is_prepared = true;
    return 0;
}

static int child_tells_prepared(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    return forkcall_buf_append(result, &is_prepared, sizeof is_prepared);
}

/* Removes the notes and makes the code writable: only its file identifies the module then. */
static bool make_nameless(const char *path)
{
    ElfW(Ehdr) header;
    ElfW(Phdr) segment;
    const int file = open(path, O_RDWR | O_CLOEXEC);
    bool good = pread(file, &header, sizeof header, 0) == (ssize_t)sizeof header;
    for (unsigned i = 0; good && i < header.e_phnum; i++) {
        const off_t at = (off_t)(header.e_phoff + i * sizeof segment);
        good = pread(file, &segment, sizeof segment, at) == (ssize_t)sizeof segment;
        if (segment.p_type == PT_NOTE)
            segment.p_type = PT_NULL;
        if (segment.p_type == PT_LOAD && (segment.p_flags & PF_X) != 0)
            segment.p_flags |= PF_W;
        good = good && pwrite(file, &segment, sizeof segment, at) == (ssize_t)sizeof segment;
    }
    close(file);
    return good;
}

/* The server cannot be told a prepare in a plugin whose file is gone. */
static int fail_to_start(void *copy)
{
    bool prepared = false;
    CHECK(file_copy(plugin_path, copy, 0755) && make_nameless(copy));
    void *plugin = dlopen(copy, RTLD_NOW | RTLD_LOCAL);
    CHECK(unlink(copy) == 0);
    if (plugin == NULL)
        return NOT_HERE;
    forkcall_fn *const *fn = dlsym(plugin, "plugin_function");
    CHECK(fn != NULL);
    CHECK(forkcall_server_start(&(struct forkcall_server_options){.prepare = prepare_notes}) == 0);
    CHECK(forkcall_server_stop() == 0);
    CHECK(forkcall_server_start(&(struct forkcall_server_options){.spares = 5, .prepare = *fn}) < 0);
    CHECK(ask(FORKCALL_SERVER, child_tells_prepared, NULL, 0, &prepared, sizeof prepared));
    CHECK(prepared && spares_are(server_pid(), 2));
    return 0;
}

static void start_that_fails_leaves_the_last_options(void **state)
{
    char path[] = "/tmp/forkcall-server-XXXXXX";
    (void)state;
    const int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    const int status = host_run(fail_to_start, path);
    unlink(path);
    if (status == NOT_HERE)
        SKIP("no code that can be written to here");
    assert_int_equal(status, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_that_enters_a_landlock_sandbox),
        cmocka_unit_test(host_without_privileges_that_enters_a_landlock_sandbox),
        cmocka_unit_test(host_that_refuses_new_code),
        cmocka_unit_test(host_in_thousands_of_groups),
        cmocka_unit_test(host_that_begins_a_session),
        cmocka_unit_test(fork_with_the_number_of_its_parent),
        cmocka_unit_test(copy_that_is_held_after_its_end),
        cmocka_unit_test(kept_descriptor_above_the_limit),
        cmocka_unit_test(usage_of_what_a_child_waited_for),
        cmocka_unit_test(server_of_a_host_that_gets_orphans),
        cmocka_unit_test(start_that_fails_leaves_the_last_options),
    };
    forkcall_init();
    plugin_path = argc > 1 ? argv[1] : "";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
