/* Tests hosts that take the status of the library's children away, and hosts with children of
 * their own. */
#include "outcomes.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif
#include <sys/wait.h>
#include <unistd.h>

/* ---- Reaped by the kernel -------------------------------------------------------------------- */

static int ignore_SIGCHLD(void *unused)
{
    (void)unused;
    const struct surroundings around = surroundings_of_reaper();
    signal(SIGCHLD, SIG_IGN);
    CHECK(check_outcomes_both_ways(around) == 0);
    CHECK(signal(SIGCHLD, SIG_DFL) == SIG_IGN);
    return 0;
}

static void host_that_ignores_SIGCHLD(void **state)
{
    (void)state;
    assert_int_equal(host_run(ignore_SIGCHLD, NULL), 0);
}

static int set_SA_NOCLDWAIT(void *unused)
{
    (void)unused;
    const struct surroundings around = surroundings_of_reaper();
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    action.sa_flags = SA_NOCLDWAIT;
    sigaction(SIGCHLD, &action, NULL);
    CHECK(check_outcomes_both_ways(around) == 0);
    return 0;
}

static void host_with_SA_NOCLDWAIT(void **state)
{
    (void)state;
    assert_int_equal(host_run(set_SA_NOCLDWAIT, NULL), 0);
}

/* The kernel reports a child's resource usage only to the process that reaps it. Here the kernel
 * itself reaps, so the child must report its usage. */
static int be_told_the_usage(void *unused)
{
    (void)unused;
    signal(SIGCHLD, SIG_IGN);
    const struct forkcall_report report = run_tested(child_returns_0, NULL, 0, NULL, NULL);
    CHECK(report.status == FORKCALL_OK && report.usage_known);
    return 0;
}

static void usage_is_known_where_the_kernel_reaps(void **state)
{
    (void)state;
    assert_int_equal(host_run(be_told_the_usage, NULL), 0);
}

/* ---- Reaped by the host ---------------------------------------------------------------------- */

static volatile sig_atomic_t reaped_in_handler;

static void reap_all(int signal)
{
    const int error = errno;
    (void)signal;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        reaped_in_handler++;
    errno = error;
}

static int reap_in_handler(void *unused)
{
    (void)unused;
    const struct surroundings around = surroundings_of_reaper();
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = reap_all;
    action.sa_flags = SA_RESTART;
    sigaction(SIGCHLD, &action, NULL);
    CHECK(check_outcomes_both_ways(around) == 0);
    CHECK(reaped_in_handler > 0); /* the handler has reaped children of the library */
    return 0;
}

static void host_that_reaps_every_child_in_a_handler(void **state)
{
    (void)state;
    assert_int_equal(host_run(reap_in_handler, NULL), 0);
}

struct reaper {
    atomic_bool stop;
    int reaped;
};

/* Waits in wait() while there is a child, and looks for the next one. */
static void *reap_in_wait(void *context)
{
    struct reaper *reaper = context;
    while (!atomic_load(&reaper->stop)) {
        if (wait(NULL) > 0)
            reaper->reaped++;
        else
            sched_yield();
    }
    return NULL;
}

static void *reap_by_polling(void *context)
{
    struct reaper *reaper = context;
    while (!atomic_load(&reaper->stop)) {
        if (waitpid(-1, NULL, WNOHANG) > 0)
            reaper->reaped++;
        else
            usleep(100);
    }
    return NULL;
}

static int reap_in_thread(void *(*body)(void *))
{
    struct surroundings around = surroundings_of_reaper();
    struct reaper reaper = {.reaped = 0};
    pthread_t thread;
    around.options.allow_unsafe_fork = true;
    CHECK(pthread_create(&thread, NULL, body, &reaper) == 0);
    CHECK(check_outcomes_both_ways(around) == 0);
    /* In any one call it is chance whether the library or the host reaps first. */
    for (int i = 0; i < 100 && check_results(&around) == 0; i++)
        if (tested_method() == FORKCALL_SERVER && i % 4 == 0)
            /* The process that starts a server is a child of the host for a moment. */
            forkcall_server_stop();
    atomic_store(&reaper.stop, true);
    pthread_join(thread, NULL);
    CHECK(reaper.reaped > 0 || tested_method() == FORKCALL_SERVER);
    return 0;
}

static int sit_in_wait(void *unused)
{
    (void)unused;
    return reap_in_thread(reap_in_wait);
}

static int poll_for_children(void *unused)
{
    (void)unused;
    return reap_in_thread(reap_by_polling);
}

static void host_with_a_thread_that_sits_in_wait(void **state)
{
    (void)state;
    assert_int_equal(host_run(sit_in_wait, NULL), 0);
}

static void host_with_a_thread_that_reaps_every_child(void **state)
{
    (void)state;
    assert_int_equal(host_run(poll_for_children, NULL), 0);
}

/* ---- Children of its own --------------------------------------------------------------------- */

static pid_t fork_foreign(bool ends)
{
    const pid_t pid = fork();
    if (pid == 0) {
        if (ends)
            _exit(23);
        for (;;)
            pause();
    }
    return pid;
}

static bool is_zombie(void *context)
{
    siginfo_t info = {.si_pid = 0};
    const pid_t pid = *(pid_t *)context;
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

static int have_foreign_children(void *unused)
{
    const struct surroundings around = {.async = false};
    pid_t zombie = fork_foreign(true);
    const pid_t living = fork_foreign(false);
    int status = 0;
    (void)unused;
    CHECK(zombie > 0 && living > 0);
    CHECK(wait_until(is_zombie, &zombie));
    CHECK(check_outcomes_both_ways(around) == 0);
    /* The living child was neither signaled nor reaped. */
    CHECK(waitpid(living, NULL, WNOHANG) == 0);
    CHECK(waitpid(zombie, &status, WNOHANG) == zombie);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 23);
    kill(living, SIGKILL);
    CHECK(waitpid(living, &status, 0) == living);
    CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
    return 0;
}

static void host_with_a_zombie_and_children_of_its_own(void **state)
{
    (void)state;
    assert_int_equal(host_run(have_foreign_children, NULL), 0);
}

static int child_tells_its_group(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const pid_t group = getpgrp();
    (void)args;
    (void)args_size;
    return forkcall_buf_append(result, &group, sizeof group);
}

/* Puts the call's child into the host's process group: the library may then kill only the child
 * itself. */
static int share_a_group(void *unused)
{
    const pid_t foreign = fork_foreign(false);
    (void)unused;
    for (int i = 0; i < 3; i++) {
        struct forkcall_options options = {.share_group = true, .timeout_ms = PLENTY_MS};
        pid_t group = 0;
        struct forkcall_buf result = forkcall_buf_fixed(&group, sizeof group);
        const struct forkcall_report told = run_tested(child_tells_its_group, NULL, 0, &result, &options);
        CHECK(told.status == FORKCALL_OK && group == getpgrp());
        const struct forkcall_report crashed = run_tested(child_crashes, NULL, 0, NULL, &options);
        CHECK(crashed.status == FORKCALL_SIGNALED);
        options.timeout_ms = 50;
        const struct forkcall_report late = run_tested(child_hangs, NULL, 0, NULL, &options);
        CHECK(late.status == FORKCALL_TIMED_OUT);
        CHECK(waitpid(foreign, NULL, WNOHANG) == 0);
    }
    kill(foreign, SIGKILL);
    CHECK(waitpid(foreign, NULL, 0) == foreign);
    return 0;
}

static void host_whose_group_the_child_shares(void **state)
{
    (void)state;
    assert_int_equal(host_run(share_a_group, NULL), 0);
}

/* ---- The first process ----------------------------------------------------------------------- */

#ifdef CLONE_NEWPID
static int run_all_as_init(void *unused)
{
    (void)unused;
    if (unshare(CLONE_NEWPID) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWPID) < 0)
        return NOT_HERE;
    const pid_t first = fork();
    CHECK(first >= 0);
    if (first == 0) {
        const struct surroundings around = {.async = false};
        const int r = getpid() == 1 ? check_outcomes_both_ways(around) : 1;
        fflush(NULL);
        _exit(r);
    }
    int status = 0;
    CHECK(waitpid(first, &status, 0) == first);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return 0;
}
#else
static int run_all_as_init(void *unused)
{
    (void)unused;
    return NOT_HERE;
}
#endif

static void host_that_is_PID_1(void **state)
{
    (void)state;
    const int r = host_run(run_all_as_init, NULL);
    if (r == NOT_HERE)
        SKIP("no pid namespace is to be had");
    assert_int_equal(r, 0);
}

/* ---- A host that inherits orphans ------------------------------------------------------------ */

#ifdef PR_SET_CHILD_SUBREAPER
enum end { HANGS, IS_CANCELED, EXITS, CRASHES, ANSWERS_TOO_MUCH, ENDS };

/* Leaves a process that has ended, one that lives, and a child of the living one. */
static bool leave_descendants(void)
{
    int ends[2];
    char byte;
    if (pipe(ends) < 0)
        return false;
    if (fork() == 0)
        _exit(4);
    if (fork() == 0) {
        fork();
        if (write(ends[1], "f", 1) == 1)
            hang();
        _exit(1);
    }
    for (int i = 0; i < 2; i++)
        if (read(ends[0], &byte, 1) != 1)
            return false;
    return true;
}

static int child_leaves_descendants_and_ends(const void *args, size_t args_size, struct forkcall_buf *result)
{
    static forkcall_fn *const functions[ENDS] = {child_hangs, child_hangs, child_ends_4, child_crashes,
                                                 child_answers_large};
    if (!leave_descendants())
        return 1;
    forkcall_progress(1, 1, NULL);
    return functions[*(const int *)args](args, args_size, result);
}

static int cancel_at_once(void *user, double done, double total, const char *note)
{
    (void)done;
    (void)total;
    (void)note;
    return *(const int *)user == IS_CANCELED;
}

static int children_after_a_call(int end)
{
    static const enum forkcall_status statuses[ENDS] = {FORKCALL_TIMED_OUT, FORKCALL_CANCELED, FORKCALL_EXITED,
                                                        FORKCALL_SIGNALED, FORKCALL_TOO_BIG};
    const struct forkcall_options options = {.timeout_ms = end == HANGS ? 200 : DEADLINE_S * 1000,
                                             .max_result = 10,
                                             .progress = cancel_at_once,
                                             .user = &end};
    const struct forkcall_report report =
        run_tested(child_leaves_descendants_and_ends, &end, sizeof end, NULL, &options);
    CHECK(report.status == statuses[end]);
    return traces_now().children;
}

static bool has_so_many_children(void *count)
{
    return traces_now().children == *(int *)count;
}

/* Processes that were killed and have not ended in time are left unreaped: this may happen now and
 * then, but not every time. */
#define TIMES 20

static int kill_descendants(void *unused)
{
    (void)unused;
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
    CHECK(warm_up());
    pid_t zombie = fork_foreign(true);
    const pid_t living = fork_foreign(false);
    CHECK(zombie > 0 && living > 0 && setpgid(living, living) == 0 && wait_until(is_zombie, &zombie));
    for (int end = 0; end < ENDS; end++) {
        int times = 0;
        int before;
        do
            before = traces_now().children;
        while (children_after_a_call(end) != before && ++times < TIMES);
        CHECK(times < TIMES);
    }
    CHECK(waitpid(living, NULL, WNOHANG) == 0 && is_zombie(&zombie));
    kill(living, SIGKILL);
    CHECK(waitpid(living, NULL, 0) == living && waitpid(zombie, NULL, 0) == zombie);
    return 0;
}

/* A process that goes on after OK belongs to the caller. */
static int child_leaves_a_process(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const pid_t pid = fork();
    (void)args;
    (void)args_size;
    if (pid == 0)
        hang();
    return forkcall_buf_append(result, &pid, sizeof pid);
}

static int keep_descendants(void *unused)
{
    pid_t left = 0;
    struct forkcall_buf result = forkcall_buf_fixed(&left, sizeof left);
    (void)unused;
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
    CHECK(warm_up());
    int children = traces_now().children + 1;
    CHECK(run_tested(child_leaves_a_process, NULL, 0, &result, NULL).status == FORKCALL_OK);
    CHECK(tested_method() == FORKCALL_SERVER || wait_until(has_so_many_children, &children));
    CHECK(process_lives(left));
    kill(left, SIGKILL);
    CHECK(tested_method() == FORKCALL_SERVER || waitpid(left, NULL, 0) == left);
    return 0;
}

static void host_that_is_a_subreaper(void **state)
{
    (void)state;
#ifdef TEST_PORTABLE
    SKIP("the portable build does not ask for it");
#endif
    if (under_emulator())
        SKIP("the emulator has no subreapers");
    assert_int_equal(host_run(kill_descendants, NULL), 0);
    assert_int_equal(host_run(keep_descendants, NULL), 0);
}
#else
static void host_that_is_a_subreaper(void **state)
{
    (void)state;
    SKIP("this system has none");
}
#endif

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_that_ignores_SIGCHLD),
        cmocka_unit_test(host_with_SA_NOCLDWAIT),
        cmocka_unit_test(usage_is_known_where_the_kernel_reaps),
        cmocka_unit_test(host_that_reaps_every_child_in_a_handler),
        cmocka_unit_test(host_with_a_thread_that_sits_in_wait),
        cmocka_unit_test(host_with_a_thread_that_reaps_every_child),
        cmocka_unit_test(host_with_a_zombie_and_children_of_its_own),
        cmocka_unit_test(host_whose_group_the_child_shares),
        cmocka_unit_test(host_that_is_PID_1),
        cmocka_unit_test(host_that_is_a_subreaper),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
