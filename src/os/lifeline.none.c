/* CHILD: For systems that cannot signal the end of a file. Only a host that is dead already can be
 * noticed. */
#include "os/lifeline.h"
#include "base/poll_fds.h"

#include <unistd.h>

bool fc_lifeline_prepare(int fd)
{
    (void)fd;
    return false;
}

void fc_lifeline_set_owner(int fd, pid_t child)
{
    (void)fd;
    (void)child;
}

int fc_lifeline_open(int fd)
{
    (void)fd;
    return -1;
}

void fc_lifeline_own(int fd)
{
    (void)fd;
}

void fc_lifeline_await_owner(int fd, bool prepared)
{
    (void)prepared;
    if ((fc_poll_now(fd, POLLIN) & POLLHUP) != 0)
        _exit(1);
}
