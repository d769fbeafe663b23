/* HOST, SERVER: Any system: Children by number, with waitpid(2) and kill(2). The number of a child
 * that was not reaped cannot be another process's, so that is asked before each signal. If another
 * thread of the host reaps the child between the two steps, this file cannot notice. */
#include "config.h"

#include "os/process.h"

#include "os/usage.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

bool fc_waitpid_has_ended(const struct fc_process *process, struct fc_ending *ending)
{
    struct rusage usage;
    int status = 0;
    pid_t r;
    do
        r = wait4(process->pid, &status, WNOHANG, &usage);
    while (r < 0 && errno == EINTR);
    if (r == 0)
        return false;
    *ending = (struct fc_ending){.wait_status = -1};
    if (r < 0)
        /* ECHILD: another part of the host has reaped it, or the kernel, if SIGCHLD is ignored. */
        return true;
    ending->status_known = true;
    ending->wait_status = status;
    ending->usage_known = true;
    ending->user_ns = fc_usage_ns(usage.ru_utime);
    ending->system_ns = fc_usage_ns(usage.ru_stime);
    ending->max_rss_bytes = fc_usage_peak_bytes(&usage);
    return true;
}

/* Looks at a child without reaping it. si_pid of info is 0 while it lives. False: it is not this
 * process's child any more. */
static bool peek(pid_t pid, siginfo_t *info)
{
    int r;
    memset(info, 0, sizeof *info);
    do
        r = waitid(P_PID, (id_t)pid, info, WEXITED | WNOHANG | WNOWAIT);
    while (r < 0 && errno == EINTR);
    return r == 0;
}

static bool is_ours(const struct fc_process *process)
{
    siginfo_t info;
    if (process->remote) /* the server reaps it after this process has released it */
        return process->server != NULL && !process->remote->is_gone(process->server);
    return peek(process->pid, &info);
}

bool fc_waitpid_is_over(const struct fc_process *process)
{
    siginfo_t info;
    return !peek(process->pid, &info) || info.si_pid != 0;
}

void fc_waitpid_signal(const struct fc_process *process, int signal)
{
    if (is_ours(process))
        kill(process->pid, signal);
}

int fc_waitpid_queue(const struct fc_process *process, int signal, int value)
{
    if (!is_ours(process))
        return -ESRCH;
#ifdef HAVE_SIGQUEUE
    const union sigval queued = {.sival_int = value};
    return sigqueue(process->pid, signal, queued) < 0 ? -errno : 0;
#else
    (void)value;
    return kill(process->pid, signal) < 0 ? -errno : 0;
#endif
}

void fc_waitpid_signal_group(const struct fc_process *process, int signal)
{
    if (is_ours(process))
        kill(-process->pid, signal);
}

int fc_waitpid_status(const siginfo_t *info)
{
    if (info->si_code == CLD_EXITED)
        return (info->si_status & 0xff) << 8;
    return (info->si_status & 0x7f) | (info->si_code == CLD_DUMPED ? 0x80 : 0);
}

bool fc_waitpid_peek(pid_t pid, struct fc_ending *ending)
{
    siginfo_t info;
    if (!peek(pid, &info) || info.si_pid == 0)
        return false;
    *ending = (struct fc_ending){.status_known = true, .wait_status = fc_waitpid_status(&info)};
    return true;
}
