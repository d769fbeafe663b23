/* HOST: Any system: a pipe wakes the thread that waits. There is no descriptor for an event loop,
 * because POSIX has nothing that becomes readable at a deadline or gathers several descriptors. */
#include "call/wakeup.h"

#include "base/io.h"
#include "base/poll_fds.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Neither end blocks, because poll(2), which would tell beforehand, may be refused by a sandbox. */
int fc_wakeup_open(struct fc_fds *fds)
{
    const int r = fc_fds_pipe(fds, FC_FD_WAKE, FC_FD_WAKE_WRITE);
    if (r < 0)
        return r;
    return fcntl(fds->fd[FC_FD_WAKE], F_SETFL, O_NONBLOCK) < 0 ||
                   fcntl(fds->fd[FC_FD_WAKE_WRITE], F_SETFL, O_NONBLOCK) < 0
               ? -errno
               : 0;
}

void fc_wakeup_wake(const struct fc_fds *fds)
{
    struct iovec byte = {.iov_base = "w", .iov_len = 1};
    if (!fc_poll_says(fds->fd[FC_FD_WAKE], POLLIN)) /* EAGAIN: it is full, and readable */
        fc_write_all(fds->fd[FC_FD_WAKE_WRITE], &byte, 1);
}

void fc_wakeup_rearm(const struct fc_fds *fds, uint64_t deadline_ns)
{
    char bytes[16];
    (void)deadline_ns;
    while (fc_read(fds->fd[FC_FD_WAKE], bytes, sizeof bytes) > 0) {
    }
}

int fc_wakeup_fd(struct fc_fds *fds, int extra)
{
    (void)fds;
    (void)extra;
    return -ENOTSUP;
}

void fc_wakeup_also(const struct fc_fds *fds, int fd)
{
    (void)fds;
    (void)fd;
}

void fc_wakeup_forget(const struct fc_fds *fds, int fd)
{
    (void)fds;
    (void)fd;
}
