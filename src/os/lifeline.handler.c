/* CHILD: Where there is O_ASYNC but no F_SETSIG (macOS, some BSDs): the end of file raises SIGIO,
 * and a handler in the child kills the child by SIGKILL. A function that takes SIGIO for itself
 * takes the lifeline away.
 *
 * Only the pipe itself tells whether the caller is gone. The siginfo does not: macOS gives si_code
 * 0 to every ordinary signal, the kernel's own SIGIO included (XNU, bsd/kern/kern_sig.c 2318-2336,
 * bsd/kern/sys_pipe.c 720). */
#include "os/lifeline.h"

#include "base/fd_identity.h"
#include "base/poll_fds.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* Written before the handler is installed. */
static volatile sig_atomic_t line = -1;
static struct fc_fd_identity line_mark;

/* False: the function has closed the line, and may have something of its own there. */
static bool line_is_held(void)
{
    return fc_fd_identity_holds(line, &line_mark);
}

static void on_io(int number);

static void set_handler(void (*handler)(int))
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    sigaction(SIGIO, &action, NULL);
}

/* What the function would see without the handler: nothing on macOS and the BSDs; elsewhere it may
 * be the end. */
static void do_default(void)
{
    sigset_t io, old;
    sigemptyset(&io);
    sigaddset(&io, SIGIO);
    set_handler(SIG_DFL);
    raise(SIGIO);
    pthread_sigmask(SIG_UNBLOCK, &io, &old);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    set_handler(on_io);
}

/* The line raises SIGIO for bytes as well as for its end, and a signal does not say which: one
 * without an end is ignored as long as the line is held. */
static void on_io(int number)
{
    const int error = errno;
    (void)number;
    if (!line_is_held())
        do_default();
    else if ((fc_poll_now(line, POLLIN) & POLLHUP) != 0)
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
    /* The function may close the line, and open something else there. */
    line_mark = fc_fd_identity_take(fd);
    line = fd;
    set_handler(on_io);
    fcntl(fd, F_SETOWN, getpid());
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC);
}

/* A handler is the process's own matter: a child installs it when it holds the line, and nothing
 * that comes before the end of file does the child harm. A server, while it prepares, gives its
 * line to itself. */
void fc_lifeline_give(int fd, pid_t child)
{
    if (child == getpid())
        watch(fd);
}

int fc_lifeline_join(int fd)
{
    if (fd >= 0)
        close(fd);
    return -1;
}

void fc_lifeline_hold(int fd, bool prepared)
{
    if (prepared)
        watch(fd);
    if ((fc_poll_now(fd, POLLIN) & POLLHUP) != 0) /* it died before */
        _exit(1);
}
