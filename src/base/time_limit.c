/* ANY: how long to wait for something. */
#include "base/time_limit.h"

#include "base/io.h"
#include "base/poll_fds.h"

#include <errno.h>
#include <poll.h>

int fc_patience_left(const struct fc_patience *patience)
{
    if (patience->cancel_requested != NULL && atomic_load(patience->cancel_requested))
        return -EINTR;
    if (patience->cancel_fd >= 0 && fc_poll_says(patience->cancel_fd, POLLIN))
        return -EINTR;
    return fc_now_ns() >= patience->deadline_ns ? -ETIMEDOUT : 0;
}
