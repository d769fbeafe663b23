/* CHILD: Lifelines on Linux: the end of file makes the pipe signal its owner, and the signal may be
 * another than SIGIO (fcntl(2), F_SETSIG). */
#include "os/lifeline.h"

#include "base/descriptors.h"
#include "base/io.h"
#include "base/poll_fds.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* Upper bound on the wait for the host to set the owner of the pipe (F_SETOWN). Reached only if the
 * host can neither set the owner nor take O_ASYNC back, or is stopped. */
#define GIVE_NS 2000000000U

bool fc_lifeline_prepare(int fd)
{
    return fcntl(fd, F_SETSIG, SIGKILL) == 0 && fcntl(fd, F_SETFL, O_ASYNC) == 0;
}

/* The kernel's pipe_write() first wakes the reader and then signals the owner. A child that made
 * itself the owner as soon as it had the go byte could be killed by that very byte. */
void fc_lifeline_set_owner(int fd, pid_t child)
{
    /* Without O_ASYNC there is no lifeline. The child sees that, and does not wait for an owner. */
    if (fcntl(fd, F_SETOWN, child) != 0)
        fcntl(fd, F_SETFL, 0);
}

/* False also where a question is refused: waiting would not answer it. */
static bool awaits_owner(int fd, pid_t child)
{
    const int owner = fcntl(fd, F_GETOWN);
    if (owner == child || owner < 0)
        return false;
    const int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_ASYNC) != 0;
}

/* The server opens the pipe, and not the child: the first look of a new process into /proc costs
 * more than all else that the child does before its call, because the kernel makes the files of
 * that process first. */
int fc_lifeline_open(int fd)
{
    char path[32];
    if (fd < 0)
        return -1;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const int own = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (own < 0)
        return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -errno : -1;
    return fc_fd_above_streams(own);
}

void fc_lifeline_own(int fd)
{
    if (fd < 0)
        return;
    fcntl(fd, F_SETSIG, SIGKILL);
    fcntl(fd, F_SETOWN, getpid());
    fcntl(fd, F_SETFL, O_NONBLOCK | O_ASYNC);
    if ((fc_poll_now(fd, POLLIN) & POLLHUP) != 0) /* the server died before */
        raise(SIGKILL);
}

static void end_without_caller(int fd)
{
    if ((fc_poll_now(fd, POLLIN) & POLLHUP) != 0)
        _exit(1);
}

void fc_lifeline_await_owner(int fd, bool prepared)
{
    const pid_t self = getpid();
    uint64_t start = 0; /* of the wait. Without one the clock, and its page, are not needed. */
    while (prepared && awaits_owner(fd, self)) {
        const uint64_t now = fc_now_ns();
        start = start != 0 ? start : now;
        if (now - start >= GIVE_NS)
            break;
        end_without_caller(fd);
        sched_yield();
    }
    end_without_caller(fd); /* the host died before it called fc_lifeline_set_owner */
}
