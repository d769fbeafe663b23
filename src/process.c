#include "process.h"
#include "watch.h"

void fc_process_open(struct fc_process *process, pid_t pid, struct fc_fds *fds)
{
    process->pid = pid;
    fc_fds_lock();
    const int fd = fc_fd_above_streams(fc_wait_open(pid));
    fds->fd[FC_FD_PROCESS] = fd < 0 ? -1 : fd;
    fc_fds_unlock();
    process->fd = fd < 0 ? -1 : fd;
}

bool fc_process_is_over(const struct fc_process *process)
{
    if (process->remote)
        return process->fd >= 0 && fc_poll_says(process->fd, POLLIN);
    return process->fd >= 0 ? fc_wait_is_over(process) : fc_wait_posix_is_over(process);
}

bool fc_process_has_ended(const struct fc_process *process, struct fc_ending *ending)
{
    return process->fd >= 0 ? fc_wait_has_ended(process, ending) : fc_wait_posix_has_ended(process, ending);
}

void fc_process_signal(const struct fc_process *process, int signal)
{
    if (process->fd >= 0)
        fc_wait_signal(process, signal);
    else
        fc_wait_posix_signal(process, signal);
}

void fc_process_signal_group(const struct fc_process *process, int signal)
{
    if (!process->own_group)
        return;
    if (process->fd >= 0)
        fc_wait_signal_group(process, signal);
    else
        fc_wait_posix_signal_group(process, signal);
}

int fc_process_backoff_ms(unsigned tries)
{
    return tries < 5 ? 1 << tries : 32;
}
