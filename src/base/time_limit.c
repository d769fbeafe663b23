/* ANY: Checks whether to wait any longer. */
#include "base/time_limit.h"

#include "base/io.h"
#include "base/poll_fds.h"

#include <errno.h>
#include <poll.h>

int fc_time_limit_left(const struct fc_time_limit *time_limit)
{
    if (time_limit->cancel_requested != NULL && atomic_load(time_limit->cancel_requested))
        return -EINTR;
    if (time_limit->cancel_fd >= 0 && fc_poll_says(time_limit->cancel_fd, POLLIN))
        return -EINTR;
    return fc_now_ns() >= time_limit->deadline_ns ? -ETIMEDOUT : 0;
}
