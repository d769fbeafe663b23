/* HOST, SERVER: For systems without a descriptor for processes: children are polled by number. */
#include "os/process.h"

#include <errno.h>

int fc_process_watch_open(pid_t pid)
{
    (void)pid;
    return -ENOSYS;
}

bool fc_process_watch_is_over(const struct fc_process *process)
{
    return fc_waitpid_is_over(process);
}

bool fc_process_watch_has_ended(const struct fc_process *process, struct fc_ending *ending)
{
    return fc_waitpid_has_ended(process, ending);
}

void fc_process_watch_signal(const struct fc_process *process, int signal)
{
    fc_waitpid_signal(process, signal);
}

void fc_process_watch_signal_group(const struct fc_process *process, int signal)
{
    fc_waitpid_signal_group(process, signal);
}

bool fc_process_watch_is_passable(void)
{
    return false;
}

bool fc_process_watch_peek(pid_t pid, struct fc_ending *ending)
{
    return fc_waitpid_peek(pid, ending); /* the usage is known only when the child is reaped */
}
