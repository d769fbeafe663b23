/* ANY: Arguments that are too large for a pipe: a file in memory, which the caller fills and the
 * child maps. */
#ifndef FC_BASE_SHARED_ARGS_H
#define FC_BASE_SHARED_ARGS_H

#include <stddef.h>

struct fc_time_limit;

/* In the caller: a descriptor of an empty file, or a negative errno. */
int fc_shared_args_open(void);
/* Puts the bytes into it, as long as there is time_limit. 0 or a negative errno. */
int fc_shared_args_fill(int fd, const void *data, size_t size, const struct fc_time_limit *time_limit);

/* Arguments can be gigabytes: between two pieces of this size it is looked whether the call is
 * still wanted. */
#define FC_ARGS_PIECE ((size_t)4 << 20)
#define FC_COPYING_ARGS "the arguments were being copied"

/* In the child: its own copy of them, which it may write to. Nobody else sees that, and what the
 * caller does to the file afterwards is not seen here. NULL: not to be had. */
const void *fc_shared_args_map(int fd, size_t size);

#endif
