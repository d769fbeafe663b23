#include "lifeline.h"

#include "io.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

void fc_lifeline_arm(int fd)
{
    /* fcntl(2): the signal for "input possible", which end of file is too; it need not be SIGIO. */
    if (fcntl(fd, F_SETSIG, SIGKILL) < 0 || fcntl(fd, F_SETOWN, getpid()) < 0)
        return;
    const int flags = fcntl(fd, F_GETFL);
    if (flags >= 0)
        fcntl(fd, F_SETFL, flags | O_ASYNC);
    if ((fc_poll_now(fd, POLLIN) & POLLHUP) != 0) /* it died before this was armed */
        _exit(1);
}
