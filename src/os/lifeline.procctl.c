/* CHILD: FreeBSD: procctl(2), PROC_PDEATHSIG_CTL: of the process, not of a thread. */
#include "os/lifeline.h"
#include "base/poll_fds.h"

#include <signal.h>
#include <sys/procctl.h>
#include <unistd.h>

bool fc_lifeline_prepare(int fd)
{
    (void)fd;
    return true;
}

void fc_lifeline_give(int fd, pid_t child)
{
    (void)fd;
    (void)child;
}

int fc_lifeline_join(int fd)
{
    if (fd >= 0)
        close(fd);
    return -1;
}

void fc_lifeline_hold(int fd, bool prepared)
{
    int signal = SIGKILL;
    (void)prepared;
    procctl(P_PID, 0, PROC_PDEATHSIG_CTL, &signal);
    if ((fc_poll_now(fd, POLLIN) & POLLHUP) != 0) /* it died before */
        _exit(1);
}
