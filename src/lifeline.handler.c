/* Without F_SETSIG (macOS, some BSDs): the end of file raises SIGIO, which does nothing by default (signal(3)); a handler of the
 * child's makes an end of it. A function that takes SIGIO for itself takes the lifeline away. */
#include "lifeline.h"

#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t line = -1;

static void on_io(int number, siginfo_t *info, void *context)
{
    const int error = errno;
    (void)context;
    if (info->si_code <= 0) { /* sent by a process: what it does by default */
        signal(number, SIG_DFL);
        raise(number);
    } else if (line >= 0 && (fc_poll_now(line, POLLIN) & POLLHUP) != 0) {
        kill(getpid(), SIGKILL);
    }
    errno = error;
}

bool fc_lifeline_prepare(int fd)
{
    (void)fd;
    return true;
}

/* The child does it itself: nothing that comes before the end of file does it harm. */
void fc_lifeline_give(int fd, pid_t child)
{
    (void)fd;
    (void)child;
}

void fc_lifeline_hold(int fd, bool prepared)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_io;
    action.sa_flags = SA_RESTART | SA_SIGINFO;
    if (prepared) {
        line = fd;
        sigaction(SIGIO, &action, NULL);
        fcntl(fd, F_SETOWN, getpid());
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC);
    }
    if ((fc_poll_now(fd, POLLIN) & POLLHUP) != 0) /* it died before */
        _exit(1);
}
