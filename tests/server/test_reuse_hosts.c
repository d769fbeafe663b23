/* Tests which kept children a host gets that forks, changes, loses descriptors or has threads of
 * several users. */
#include "refuse_syscalls.h"
#include "reused_child.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* In a host of host_run, where nothing of cmocka may be called. */
static pid_t checked_pid(const struct forkcall_options *options)
{
    const struct forkcall_report report = run_settled(child_returns_0, NULL, 0, NULL, options);
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
        CHECK(run_settled(tells_user, NULL, 0, &result, &reuse).status == FORKCALL_OK);
        CHECK(user == users[i]);
        CHECK(seteuid(0) == 0);
    }
    CHECK(setuid(65534) == 0);
    for (int i = 0; i < 2; i++) {
        CHECK(run_settled(tells_user, NULL, 0, &result, &reuse).status == FORKCALL_OK);
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

/* A thread that has given up a right calls by a process of its own. */
static void *call_with_fewer_rights(void *method)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return NULL;
    const struct forkcall_report report = run_settled(child_returns_0, NULL, 0, NULL, &reuse);
    *(enum forkcall_method *)method = report.method;
    return report.status == FORKCALL_OK ? method : NULL;
}

static int call_from_a_thread_with_fewer_rights(void *unused)
{
    enum forkcall_method method = FORKCALL_AUTO;
    pthread_t thread;
    void *done = NULL;
    (void)unused;
    const pid_t pid = checked_pid(&reuse);
    CHECK(pid > 0 && checked_pid(&reuse) == pid);
    CHECK(pthread_create(&thread, NULL, call_with_fewer_rights, &method) == 0);
    CHECK(pthread_join(thread, &done) == 0 && done != NULL);
    CHECK(method == FORKCALL_SPAWN);
    CHECK(checked_pid(&reuse) == pid);
    return 0;
}

static void a_call_that_the_server_does_not_fit_leaves_the_child_to_others(void **state)
{
    (void)state;
    NEED_KEPT_CHILDREN;
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 0)
        SKIP("this process has given up the right to gain others");
    assert_int_equal(host_run(call_from_a_thread_with_fewer_rights, NULL), 0);
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
        const struct forkcall_report report = run_settled(tells_timer_slack, NULL, 0, &result, &reuse);
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

/* A process may lower its niceness, but not without a right to raise it again: a child that has
 * done so must not serve a caller that has not. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        REUSE_TEST(a_host_that_forks_keeps_its_child_to_itself),
        REUSE_TEST(a_host_that_has_changed_gets_no_child_of_before),
        REUSE_TEST(rights_are_those_of_each_caller),
        REUSE_TEST(a_call_that_the_server_does_not_fit_leaves_the_child_to_others),
        REUSE_TEST(settings_are_those_of_each_caller),
        REUSE_TEST(a_child_that_was_rescheduled_is_not_kept),
        REUSE_TEST(a_child_that_waits_dies_with_its_host),
        REUSE_TEST(a_host_that_closes_every_descriptor_gets_another_child),
        REUSE_TEST(no_request_is_written_into_a_file_of_the_hosts),
        REUSE_TEST(a_call_whose_answer_cannot_be_read_ends),
    };
    forkcall_init();
    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
