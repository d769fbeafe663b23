/* CHILD: The option close_fds: closes all descriptors but those to keep. */
#ifndef FC_CHILD_CLOSE_FDS_H
#define FC_CHILD_CLOSE_FDS_H

#include <stdbool.h>
#include <stddef.h>

/* Closes every descriptor above 2 except those in keep, which is sorted. Does not try each
 * possible number, because a process may have a billion of them. 0 or a negative errno.
 * Async-signal-safe. */
int fc_close_fds_except(const int *keep, size_t count);

/* True: fd is one of keep. */
static inline bool fc_close_fds_keeps(const int *keep, size_t count, int fd)
{
    for (size_t i = 0; i < count; i++)
        if (keep[i] == fd)
            return true;
    return false;
}

#endif
