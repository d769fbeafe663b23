/* HOST: Asks and signals a child by its descriptor, or by its number if there is no descriptor. */
#include "os/process.h"
#include "base/io.h"
#include "base/poll_fds.h"
#include "os/process_tree.h"

#include <string.h>
#include <sys/wait.h>

/* How long the killed processes of a group may take to end. */
#define GROUP_END_NS 200000000U
/* No kernel gives away all its process numbers in less time than this. */
#define NUMBER_NS 100000000U

void fc_process_open(struct fc_process *process, pid_t pid, struct fc_fds *fds)
{
    process->pid = pid;
    fc_fds_lock();
    const int fd = fc_fd_above_streams(fc_process_watch_open(pid));
    fds->fd[FC_FD_PROCESS] = fd < 0 ? -1 : fd;
    fc_fds_unlock();
    process->fd = fd < 0 ? -1 : fd;
}

bool fc_process_is_over(const struct fc_process *process)
{
    if (process->remote)
        return process->fd >= 0 && fc_poll_says(process->fd, POLLIN);
    return process->fd >= 0 ? fc_process_watch_is_over(process) : fc_waitpid_is_over(process);
}

bool fc_process_has_ended(const struct fc_process *process, struct fc_ending *ending)
{
    return process->fd >= 0 ? fc_process_watch_has_ended(process, ending) : fc_waitpid_has_ended(process, ending);
}

void fc_process_signal(const struct fc_process *process, int signal)
{
    if (process->fd >= 0)
        fc_process_watch_signal(process, signal);
    else
        fc_waitpid_signal(process, signal);
}

int fc_process_queue(const struct fc_process *process, int signal, int value)
{
    return process->fd >= 0 ? fc_process_watch_queue(process, signal, value) : fc_waitpid_queue(process, signal, value);
}

void fc_process_signal_group(const struct fc_process *process, int signal)
{
    if (!process->own_group)
        return;
    if (process->fd >= 0)
        fc_process_watch_signal_group(process, signal);
    else
        fc_waitpid_signal_group(process, signal);
}

/* The number of the group is its own as long as one process is in it. If the group is empty,
 * another group of the host's may have the number. But that cannot be soon, because the kernel
 * gives every other number before. */
void fc_process_reap_group(const struct fc_process *process, uint64_t held_ns)
{
    const uint64_t limit_ns = held_ns + GROUP_END_NS;
    if (!process->own_group || process->remote || !fc_adopts_orphans())
        return;
    for (;;) {
        siginfo_t info;
        memset(&info, 0, sizeof info);
        const uint64_t before_ns = fc_now_ns();
        if (waitid(P_PGID, (id_t)process->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
            return;
        const uint64_t now_ns = fc_now_ns();
        if (now_ns - held_ns > NUMBER_NS || now_ns > limit_ns)
            return;
        held_ns = before_ns; /* a process was in the group at that time */
        if (info.si_pid == 0)
            fc_pause();
        else
            waitid(P_PID, (id_t)info.si_pid, &info, WEXITED | WNOHANG);
    }
}

int fc_process_backoff_ms(unsigned tries)
{
    return tries < 5 ? 1 << tries : 32;
}
