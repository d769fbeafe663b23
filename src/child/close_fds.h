/* CHILD: close_fds: closes all descriptors but those to keep. */
#ifndef FC_CHILD_CLOSE_FDS_H
#define FC_CHILD_CLOSE_FDS_H

#include <stddef.h>

/* In the child: closes every descriptor above 2 but those of keep, which is sorted. The number of
 * descriptors that a process may have can be a billion, so none of them is tried for itself. 0 or a
 * negative errno. */
int fc_close_fds_except(const int *keep, size_t count);

#endif
