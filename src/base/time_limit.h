/* ANY: How long to wait: until a deadline, or until the caller cancels. */
#ifndef FC_BASE_TIME_LIMIT_H
#define FC_BASE_TIME_LIMIT_H

#include <stdatomic.h>
#include <stdint.h>

struct fc_time_limit {
    uint64_t deadline_ns;                /* UINT64_MAX: none */
    int cancel_fd;                       /* readable: the caller cancels; -1: none */
    const atomic_bool *cancel_requested; /* NULL: none */
};

/* 0: wait on; -ETIMEDOUT: the deadline is over; -EINTR: the caller cancels. Thread-safe. */
int fc_time_limit_left(const struct fc_time_limit *time_limit);

#endif
