/* ANY: how long to wait for something: until a deadline, or until the caller does not want to any
 * more. */
#ifndef FC_BASE_TIME_LIMIT_H
#define FC_BASE_TIME_LIMIT_H

#include <stdatomic.h>
#include <stdint.h>

struct fc_time_limit {
    uint64_t deadline_ns;                /* UINT64_MAX: none */
    int cancel_fd;                       /* readable: no longer; -1: none */
    const atomic_bool *cancel_requested; /* NULL: none */
};

/* 0; -ETIMEDOUT or -EINTR: not any longer. */
int fc_time_limit_left(const struct fc_time_limit *time_limit);

#endif
