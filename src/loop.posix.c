/* Any system: a pipe wakes the thread that waits. There is no descriptor for an event loop: nothing here could make it
 * readable at a deadline, or gather several, without a thread. */
#include "loop.h"

#include "io.h"
#include "watch.h"

#include <errno.h>
#include <unistd.h>

int fc_loop_open(struct fc_fds *fds)
{
    return fc_fds_pipe(fds, FC_FD_WAKE, FC_FD_WAKE_WRITE);
}

void fc_loop_wake(const struct fc_fds *fds)
{
    struct iovec byte = {.iov_base = "w", .iov_len = 1};
    if ((fc_poll_now(fds->fd[FC_FD_WAKE], POLLIN) & POLLIN) == 0)
        fc_write_all(fds->fd[FC_FD_WAKE_WRITE], &byte, 1);
}

void fc_loop_rest(const struct fc_fds *fds, uint64_t deadline_ns)
{
    char bytes[16];
    (void)deadline_ns;
    while ((fc_poll_now(fds->fd[FC_FD_WAKE], POLLIN) & POLLIN) != 0)
        if (fc_read(fds->fd[FC_FD_WAKE], bytes, sizeof bytes) <= 0)
            return;
}

int fc_loop_fd(struct fc_fds *fds, int extra)
{
    (void)fds;
    (void)extra;
    return -ENOTSUP;
}

void fc_loop_also(const struct fc_fds *fds, int fd)
{
    (void)fds;
    (void)fd;
}

void fc_loop_forget(const struct fc_fds *fds, int fd)
{
    (void)fds;
    (void)fd;
}
