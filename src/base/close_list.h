/* SERVER, CHILD: Closes several descriptors by few system calls. */
#ifndef FC_BASE_CLOSE_LIST_H
#define FC_BASE_CLOSE_LIST_H

#include <stddef.h>

#define FC_CLOSE_LIST_MAX 16U

/* Closes count descriptors, FC_CLOSE_LIST_MAX at most. Those below 0 are none. Closes no other, and
 * changes the order of the list. Async-signal-safe. */
void fc_close_list(int *fds, size_t count);

#endif
