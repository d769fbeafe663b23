/* FORK: a plain fork(2) of the caller. */
#include "method.h"

#include "arena.h"
#include "child.h"
#include "exit_guard.h"
#include "go.h"
#include "io.h"
#include "lifeline.h"
#include "mark.h"
#include "region.h"
#include "report.h"
#include "streams.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

static bool refuses(struct forkcall_call *call)
{
    struct forkcall_report *report = &call->report;
    const unsigned bits = report->hazards & FORKCALL_HAZARDS_REFUSE;
    if (bits == 0 || call->options.allow_unsafe_fork)
        return false;
    fc_report_message(report,
                      (bits & FORKCALL_HAZARD_THREADS) != 0
                          ? "a fork is not safe now: other threads run in this process (make the call before they are "
                            "started, or set allow_unsafe_fork and a timeout)"
                          : "a fork is not safe now: this process was forked and has not exec'ed (make the call in the "
                            "process that forked it, or set allow_unsafe_fork and a timeout)");
    return true;
}

/* A pipe that the child writes. Reading never waits: a hostile child could take back what poll has seen. */
static int open_pipe(struct forkcall_call *call, enum fc_fd ours, enum fc_fd childs)
{
    const int r = fc_fds_pipe(&call->fds, ours, childs);
    if (r < 0)
        return r;
    return fcntl(call->fds.fd[ours], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static int open_channel(struct forkcall_call *call, const char **step)
{
    struct fc_fds *fds = &call->fds;
    *step = "pipe";
    int r = open_pipe(call, FC_FD_REPLY, FC_FD_CHILD_REPLY);
    if (r == 0)
        r = fc_fds_pipe(fds, FC_FD_CHILD_GO, FC_FD_GO);
    if (r == 0)
        call->task.lifeline = fc_lifeline_prepare(fds->fd[FC_FD_CHILD_GO]);
    if (r == 0 && call->options.standard_output == FORKCALL_STREAM_CAPTURE)
        r = open_pipe(call, FC_FD_OUT, FC_FD_CHILD_OUT);
    if (r == 0 && call->options.standard_error == FORKCALL_STREAM_CAPTURE)
        r = open_pipe(call, FC_FD_ERR, FC_FD_CHILD_ERR);
    if (r == 0)
        call->task.mark = fc_mark(fds->fd[FC_FD_CHILD_REPLY]);
    if (r < 0 || call->task.drop_result || call->task.max_result <= FC_SMALL_RESULT)
        return r;
    /* Without a region a large result takes the slow way through the pipe: no reason to fail. */
    fc_fds_lock();
    const int region = fc_fd_above_streams(fc_region_open());
    fds->fd[FC_FD_REGION] = region < 0 ? -1 : region;
    fc_fds_unlock();
    return 0;
}

static void fill_task(struct forkcall_call *call)
{
    struct fc_task *task = &call->task;
    task->thread = pthread_self();
    task->reply_fd = call->fds.fd[FC_FD_CHILD_REPLY];
    task->go_fd = call->fds.fd[FC_FD_CHILD_GO];
    task->region_fd = call->fds.fd[FC_FD_REGION];
    task->out_fd = call->fds.fd[FC_FD_CHILD_OUT];
    task->err_fd = call->fds.fd[FC_FD_CHILD_ERR];
}

/* Will somebody else reap the child, or may? */
static bool has_rival(const struct forkcall_call *call)
{
    struct sigaction action;
    if (call->task.threaded || sigaction(SIGCHLD, NULL, &action) < 0)
        return true;
    return (action.sa_flags & (SA_SIGINFO | SA_NOCLDWAIT)) != 0 || action.sa_handler != SIG_DFL;
}

/* With all signals blocked, so that none of the host's handlers runs in the child. */
static pid_t fork_child(struct forkcall_call *call)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    const pid_t pid = fc_fds_fork(&call->fds);
    if (pid == 0)
        fc_child_run(&call->task);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return pid;
}

/* The child cannot have ended yet, but by somebody else's signal. */
static void take_hold(struct forkcall_call *call, pid_t pid)
{
    struct iovec go = {.iov_base = "g", .iov_len = 1};
    fc_process_open(&call->process, pid, &call->fds);
    if (!call->options.share_group)
        call->process.own_group = setpgid(pid, pid) == 0;
    /* This process still holds the reading end, too: no SIGPIPE, whatever became of the child. */
    const int r = fc_write_all(call->fds.fd[FC_FD_GO], &go, 1);
    if (r < 0) {
        call->not_let_go = true;
        call->reply.setup_failed = true;
        call->reply.setup = (struct fc_setup_failure){.step = FC_SETUP_GO, .error = -r};
        fc_process_signal(&call->process, SIGKILL);
    } else if (call->task.lifeline) {
        fc_lifeline_give(call->fds.fd[FC_FD_CHILD_GO], pid);
    }
    fc_fds_lock();
    for (int i = FC_FD_CHILD_REPLY; i <= FC_FD_CHILD_ERR; i++) {
        if (call->fds.fd[i] >= 0)
            close(call->fds.fd[i]);
        call->fds.fd[i] = -1;
    }
    fc_fds_unlock();
}

static void start(struct forkcall_call *call)
{
    const char *step;
    int r = open_channel(call, &step);
    if (r < 0) {
        fc_call_not_started(call, -r, step);
        return;
    }
    fill_task(call);
    call->task.own_group = !call->options.share_group;
    call->task.threaded = (call->report.hazards & FORKCALL_HAZARD_THREADS) != 0;
    call->task.purge = call->task.threaded || fc_streams_are_pending();
    call->task.measure = has_rival(call);
    /* Under the lock that a fork holds: no thread of ours is in the list of handlers when the child is made. */
    fc_fds_lock();
    fc_exit_guard_prepare(call->task.threaded);
    fc_fds_unlock();
    const pid_t pid = fork_child(call);
    fc_fds_lock();
    fc_exit_guard_release(call->task.threaded);
    fc_fds_unlock();
    if (pid < 0) {
        fc_call_not_started(call, -pid, "fork");
        return;
    }
    call->report.pid = pid;
    take_hold(call, pid);
}

const struct fc_method fc_method_fork = {.refuses = refuses, .start = start, .shares_addresses = true};
