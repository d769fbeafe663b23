/* Tests that signals for a process without a descriptor are sent by its number, but only while the
 * number surely belongs to that process, and that a descriptor can be passed to another process if
 * the system says so. */
#include "os/process.h"

#include "base/fd_message.h"
#include "base/poll_fds.h"

#include "support.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static bool is_gone;

static bool server_is_gone(const struct fc_server *server)
{
    (void)server;
    return is_gone;
}

static const struct fc_remote remote = {.is_gone = server_is_gone};

/* A stand-in for a server. The code under test only passes it to is_gone here. */
static int stand_in;
static struct fc_server *const server = (struct fc_server *)&stand_in;

/* Starts a child in a group of its own. */
static pid_t start_child(void)
{
    int ready[2];
    char byte = 0;
    assert_int_equal(pipe(ready), 0);
    const pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        alarm((unsigned)DEADLINE_S); /* in case no signal comes */
        if (write(ready[1], "r", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    assert_true(pid > 0);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static void end_child(pid_t pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static int signal_that_has_ended(pid_t pid)
{
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    return WTERMSIG(status);
}

/* Checks that the child gets no signal. SIGKILL would end it at once. */
static void assert_gets_no_signal(const struct fc_process *process)
{
    siginfo_t info = {.si_pid = 0};
    fc_process_signal(process, SIGKILL);
    fc_process_signal_group(process, SIGKILL);
    /* A child that got a signal is a zombie at once or soon. SIGTERM ends a child that got none. */
    kill(process->pid, SIGTERM);
    assert_int_equal(waitid(P_PID, (id_t)process->pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(info.si_status, SIGTERM);
}

static void child_gets_signals(void **state)
{
    (void)state;
    for (int to_group = 0; to_group < 2; to_group++) {
        const struct fc_process process = {.pid = start_child(), .fd = -1, .own_group = true};
        if (to_group)
            fc_process_signal_group(&process, SIGINT);
        else
            fc_process_signal(&process, SIGINT);
        assert_int_equal(signal_that_has_ended(process.pid), SIGINT);
    }
}

static void child_of_a_living_server_gets_signals(void **state)
{
    (void)state;
    is_gone = false;
    for (int to_group = 0; to_group < 2; to_group++) {
        const struct fc_process process = {
            .pid = start_child(), .fd = -1, .own_group = true, .remote = &remote, .server = server};
        if (to_group)
            fc_process_signal_group(&process, SIGINT);
        else
            fc_process_signal(&process, SIGINT);
        assert_int_equal(signal_that_has_ended(process.pid), SIGINT);
    }
}

/* A server that has ended reaps no children any more, so the number of one may belong to another
 * process. */
static void number_of_a_server_that_is_gone_gets_no_signal(void **state)
{
    const struct fc_process process = {
        .pid = start_child(), .fd = -1, .own_group = true, .remote = &remote, .server = server};
    (void)state;
    is_gone = true;
    assert_gets_no_signal(&process);
    end_child(process.pid);
}

static void number_of_no_server_gets_no_signal(void **state)
{
    const struct fc_process process = {.pid = start_child(), .fd = -1, .own_group = true, .remote = &remote};
    (void)state;
    is_gone = false;
    assert_gets_no_signal(&process);
    end_child(process.pid);
}

/* A child of this process is not a child of another child of this process. */
static void number_of_another_process_gets_no_signal(void **state)
{
    (void)state;
    const pid_t other = start_child();
    const pid_t pid = fork();
    if (pid == 0) {
        const struct fc_process process = {.pid = other, .fd = -1, .own_group = true};
        fc_process_signal(&process, SIGKILL);
        fc_process_signal_group(&process, SIGKILL);
        _exit(fc_process_is_over(&process) ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    kill(other, SIGTERM);
    assert_int_equal(signal_that_has_ended(other), SIGTERM);
}

static void process_without_a_group_of_its_own_is_signaled_alone(void **state)
{
    const struct fc_process process = {.pid = start_child(), .fd = -1};
    (void)state;
    fc_process_signal_group(&process, SIGKILL);
    fc_process_signal(&process, SIGTERM);
    assert_int_equal(signal_that_has_ended(process.pid), SIGTERM);
}

/* Sends the descriptor to this process itself. -1: the descriptor cannot be sent. */
static int pass(int fd)
{
    int ends[2];
    int got = -1;
    size_t count = 0;
    char byte = 'p';
    assert_int_equal(fc_fd_message_pair(ends), 0);
    if (fc_fd_message_send(ends[0], &byte, 1, &fd, 1) == 0)
        assert_int_equal(fc_fd_message_receive(ends[1], &byte, 1, &got, 1, &count, 0), 0);
    close(ends[0]);
    close(ends[1]);
    return got;
}

static void descriptor_can_be_passed_exactly_where_that_is_said(void **state)
{
    const pid_t pid = start_child();
    (void)state;
    const int fd = fc_process_watch_open(pid);
    const int passed = fd < 0 ? -1 : pass(fd);
    kill(pid, SIGKILL);
    if (passed >= 0) {
        struct pollfd end = {.fd = passed, .events = POLLIN};
        assert_int_equal(fc_poll(&end, 1, DEADLINE_S * 1000), 1);
        close(passed);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    if (fd < 0)
        SKIP("no descriptors of processes here");
    close(fd);
    assert_int_equal(fc_process_watch_is_passable(), passed >= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(child_gets_signals),
        cmocka_unit_test(child_of_a_living_server_gets_signals),
        cmocka_unit_test(number_of_a_server_that_is_gone_gets_no_signal),
        cmocka_unit_test(number_of_no_server_gets_no_signal),
        cmocka_unit_test(number_of_another_process_gets_no_signal),
        cmocka_unit_test(process_without_a_group_of_its_own_is_signaled_alone),
        cmocka_unit_test(descriptor_can_be_passed_exactly_where_that_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
