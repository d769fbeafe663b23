/* FreeBSD: procctl(2), PROC_PDEATHSIG_CTL: of the process, not of a thread. */
#include "lifeline.h"

#include "io.h"

#include <poll.h>
#include <signal.h>
#include <sys/procctl.h>
#include <unistd.h>

void fc_lifeline_arm(int fd)
{
    int signal = SIGKILL;
    procctl(P_PID, 0, PROC_PDEATHSIG_CTL, &signal);
    if ((fc_poll_now(fd, POLLIN) & POLLHUP) != 0)
        _exit(1);
}
