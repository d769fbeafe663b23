/* CHILD: Lifelines on Linux: the end of file makes the pipe signal its owner, and the signal may be
 * another than SIGIO (fcntl(2), F_SETSIG). */
#include "os/lifeline.h"

#include "base/descriptors.h"
#include "base/io.h"
#include "base/poll_fds.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* Upper bound on the wait for the host to set the owner of the pipe (F_SETOWN). Reached only if a
 * sandbox allows fc_lifeline_prepare and forbids fc_lifeline_set_owner. */
#define GIVE_NS 2000000000U

bool fc_lifeline_prepare(int fd)
{
    return fcntl(fd, F_SETSIG, SIGKILL) == 0 && fcntl(fd, F_SETFL, O_ASYNC) == 0;
}

/* The kernel's pipe_write() first wakes the reader and then signals the owner. A child that made
 * itself the owner as soon as it had the go byte could be killed by that very byte. */
void fc_lifeline_set_owner(int fd, pid_t child)
{
    fcntl(fd, F_SETOWN, child);
}

/* Opens the pipe again, because the owner belongs to the open file description: a shared one would
 * have one owner, the last child. */
int fc_lifeline_join(int fd)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const int own = fd < 0 ? -1 : fc_fd_above_streams(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (fd >= 0)
        close(fd);
    if (own < 0)
        return -1;
    fcntl(own, F_SETSIG, SIGKILL);
    fcntl(own, F_SETOWN, getpid());
    fcntl(own, F_SETFL, O_NONBLOCK | O_ASYNC);
    if ((fc_poll_now(own, POLLIN) & POLLHUP) != 0) /* the server died before */
        raise(SIGKILL);
    return own;
}

static void end_without_caller(int fd)
{
    if ((fc_poll_now(fd, POLLIN) & POLLHUP) != 0)
        _exit(1);
}

void fc_lifeline_await_owner(int fd, bool prepared)
{
    const uint64_t start = fc_now_ns();
    const pid_t self = getpid();
    while (prepared && fcntl(fd, F_GETOWN) != self && fc_now_ns() - start < GIVE_NS) {
        end_without_caller(fd);
        sched_yield();
    }
    end_without_caller(fd); /* the host died before it called fc_lifeline_set_owner */
}
