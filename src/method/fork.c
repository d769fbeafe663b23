/* HOST: FORK: The child is a fork(2) of the host. */
#include "method/table.h"

#include "base/fd_identity.h"
#include "base/report_message.h"
#include "call/channel.h"
#include "call/hazards.h"
#include "call/options.h"
#include "child/exit_hooks.h"
#include "child/run.h"
#include "child/streams.h"
#include "exec/exec_self.h"
#include "os/threads.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

/* What the user can do. A program that has called forkcall_init() is not told to call it. */
static const char *remedy(void)
{
    return fc_exec_self_is_possible() ? "use SERVER or SPAWN, for which no argument is by pointer"
                                      : "call forkcall_init() first thing in main(), or forkcall_use_helper() in a "
                                        "plugin, and use AUTO";
}

static bool refuses(struct forkcall_call *call)
{
    struct forkcall_report *report = &call->report;
    if ((report->hazards & FORKCALL_HAZARDS_REFUSE) == 0 || call->options.allow_unsafe_fork)
        return false;
    report->hazards = fc_hazards_that_last(report->hazards);
    const unsigned bits = report->hazards & FORKCALL_HAZARDS_REFUSE;
    if (bits == 0)
        return false;
    const char *what = (bits & FORKCALL_HAZARD_THREADS) != 0 ? fc_other_threads_in_words()
                                                             : "this process was forked and has not exec'ed";
    /* forkcall_init() does nothing in such a program, so it is not named as the way out. */
    if (fc_executable_is_privileged())
        fc_report_message(
            report,
            "a fork is not safe now: %s, and no clean process can be started of a program that has more "
            "rights than its user (set-user-id, file capabilities); allow_unsafe_fork and a timeout would do",
            what);
    else
        fc_report_message(report, "a fork is not safe now: %s (%s, or set allow_unsafe_fork and a timeout)", what,
                          remedy());
    fc_options_blame_environment(&call->options, report);
    return true;
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

/* True: another part of the host may reap the child, and its usage with it. The child then measures
 * itself. */
static bool may_be_reaped_elsewhere(const struct forkcall_call *call)
{
    struct sigaction action;
    if (call->task.threaded || sigaction(SIGCHLD, NULL, &action) < 0)
        return true;
    return (action.sa_flags & (SA_SIGINFO | SA_NOCLDWAIT)) != 0 || action.sa_handler != SIG_DFL;
}

/* Forks with all signals blocked, so that none of the host's handlers runs in the child. */
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

/* Forks a threaded process. One thread at a time does so: no other thread of the library's is
 * inside the C library's list of exit handlers then, whose lock the child would find taken for
 * ever. */
static pid_t fork_guarded(struct forkcall_call *call)
{
    struct fc_exit_hooks guard;
    fc_fds_fork_lock();
    fc_fds_enter_lists();
    const int r = fc_exit_hooks_prepare(&guard);
    fc_fds_leave_lists();
    const pid_t pid = r < 0 ? r : fork_child(call);
    fc_fds_enter_lists();
    fc_exit_hooks_release(&guard);
    fc_fds_leave_lists();
    fc_fds_fork_unlock();
    return pid;
}

static void start(struct forkcall_call *call)
{
    const int r = fc_channel_open(call);
    if (r < 0) {
        fc_call_not_started(call, -r, "pipe");
        return;
    }
    call->task.mark = fc_fd_identity_take(call->fds.fd[FC_FD_CHILD_REPLY]);
    fill_task(call);
    call->task.own_group = !call->options.share_group;
    call->task.threaded = (call->report.hazards & FORKCALL_HAZARD_THREADS) != 0;
    call->task.purge = call->task.threaded || fc_streams_are_pending();
    call->task.measure = may_be_reaped_elsewhere(call);
    /* The function may close these descriptors, and get their numbers for its own files. */
    fc_fds_remember(&call->fds, FC_FD_CHILD_REPLY, FC_FD_COUNT);
    const pid_t pid = call->task.threaded ? fork_guarded(call) : fork_child(call);
    if (pid < 0) {
        fc_call_not_started(call, -pid, "fork");
        return;
    }
    fc_process_open(&call->process, pid, &call->fds);
    if (!call->options.share_group)
        call->process.own_group = setpgid(pid, pid) == 0;
    fc_channel_start_child(call);
}

const struct fc_method fc_method_fork = {.refuses = refuses, .start = start, .shares_addresses = true};
