/* HOST, SERVER: For systems without pidfds: asks and signals children by number. */
#include "os/process.h"

bool fc_process_watch_is_over(const struct fc_process *process)
{
    return fc_waitpid_is_over(process);
}

void fc_process_watch_signal(const struct fc_process *process, int signal)
{
    fc_waitpid_signal(process, signal);
}

int fc_process_watch_queue(const struct fc_process *process, int signal, int value)
{
    return fc_waitpid_queue(process, signal, value);
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
