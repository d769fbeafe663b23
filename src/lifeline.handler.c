/* Where there is O_ASYNC but no F_SETSIG (macOS, some BSDs): the end of file raises SIGIO, and a handler in the child kills
 * the child by SIGKILL. A function that takes SIGIO for itself takes the lifeline away.
 *
 * SIGIO does nothing by default on these systems (signal(3)), so the handler need not do anything about a SIGIO of another
 * origin. Only the pipe itself tells whether the caller is gone. The siginfo does not: macOS gives si_code 0 to every
 * ordinary signal, the kernel's own SIGIO included (XNU, bsd/kern/kern_sig.c 2318-2336, bsd/kern/sys_pipe.c 720). */
#include "lifeline.h"

#include "io.h"
#include "mark.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* Written before the handler is installed. */
static volatile sig_atomic_t line = -1;
static struct fc_mark line_mark;

static void on_io(int number)
{
    const int error = errno;
    (void)number;
    if (fc_is_marked_by_inode(line, &line_mark) && (fc_poll_now(line, POLLIN) & POLLHUP) != 0)
        kill(getpid(), SIGKILL);
    errno = error;
}

bool fc_lifeline_prepare(int fd)
{
    (void)fd;
    return true;
}

static void watch(int fd)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_io;
    action.sa_flags = SA_RESTART;
    line_mark = fc_mark_by_inode(fd); /* the function may close the line, and open something else there */
    line = fd;
    sigaction(SIGIO, &action, NULL);
    fcntl(fd, F_SETOWN, getpid());
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC);
}

/* A handler is the process's own matter: a child installs it when it holds the line, and nothing that comes before the end
 * of file does the child harm. A server, while it prepares, gives its line to itself. */
void fc_lifeline_give(int fd, pid_t child)
{
    if (child == getpid())
        watch(fd);
}

void fc_lifeline_hold(int fd, bool prepared)
{
    if (prepared)
        watch(fd);
    if ((fc_poll_now(fd, POLLIN) & POLLHUP) != 0) /* it died before */
        _exit(1);
}
