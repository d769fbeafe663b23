/* HOST, SERVER: For systems without a descriptor for processes: children are polled by number. */
#include "os/process.h"

#include <errno.h>

int fc_process_watch_open(pid_t pid)
{
    (void)pid;
    return -ENOSYS;
}

bool fc_process_watch_has_ended(const struct fc_process *process, struct fc_ending *ending)
{
    return fc_waitpid_has_ended(process, ending);
}
