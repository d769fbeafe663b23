/* HOST, SERVER: No descriptor for a process: the portable way is the only one. */
#include "os/process.h"

#include <errno.h>

int fc_wait_open(pid_t pid)
{
    (void)pid;
    return -ENOSYS;
}

bool fc_wait_is_over(const struct fc_process *process)
{
    return fc_wait_posix_is_over(process);
}

bool fc_wait_has_ended(const struct fc_process *process, struct fc_ending *ending)
{
    return fc_wait_posix_has_ended(process, ending);
}

void fc_wait_signal(const struct fc_process *process, int signal)
{
    fc_wait_posix_signal(process, signal);
}

void fc_wait_signal_group(const struct fc_process *process, int signal)
{
    fc_wait_posix_signal_group(process, signal);
}

bool fc_wait_is_passable(void)
{
    return false;
}

bool fc_wait_peek(pid_t pid, struct fc_ending *ending)
{
    return fc_wait_posix_peek(pid, ending); /* the usage is known only when it is reaped */
}
