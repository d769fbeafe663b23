/* CHILD: Lifelines for systems with O_ASYNC but without F_SETSIG (macOS, some BSDs): the end of
 * file raises SIGIO, and a handler in the child kills the child by SIGKILL. A function that
 * installs a handler for SIGIO disables the lifeline.
 *
 * Only the pipe itself tells whether the host is dead. The siginfo does not: macOS gives si_code 0
 * to every ordinary signal, the kernel's own SIGIO included (XNU, bsd/kern/kern_sig.c 2318-2336,
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

/* Both are written before the handler is installed. */
static volatile sig_atomic_t line = -1;
static struct fc_fd_identity line_mark;

/* False: the function has closed the descriptor, and another file may have its number. */
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

/* Does what the signal would do without the handler: nothing on macOS and the BSDs. On other
 * systems it may end the process. */
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

/* The pipe raises SIGIO for bytes as well as for its end, and the signal does not tell which.
 * Without an end the signal is ignored while the descriptor is the lifeline. */
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
    /* The function may close the descriptor, and open something else by its number. */
    line_mark = fc_fd_identity_take(fd);
    line = fd;
    set_handler(on_io);
    fcntl(fd, F_SETOWN, getpid());
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC);
}

/* Does nothing for a child, which installs its handler itself in fc_lifeline_await_owner: nothing
 * before the end of file harms the child. A server that prepares gives the lifeline to itself. */
void fc_lifeline_set_owner(int fd, pid_t child)
{
    if (child == getpid())
        watch(fd);
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
    if (prepared)
        watch(fd);
    if ((fc_poll_now(fd, POLLIN) & POLLHUP) != 0) /* the host died before */
        _exit(1);
}
