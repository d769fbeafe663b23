/* ANY: Arguments that are too large for a pipe: a file in memory, which the host fills and the
 * child maps. */
#ifndef FC_BASE_SHARED_ARGS_H
#define FC_BASE_SHARED_ARGS_H

#include <stddef.h>

struct fc_time_limit;

/* In the host: opens an empty file. A descriptor or a negative errno. */
int fc_shared_args_open(void);
/* In the host: writes the bytes to the file, until the time limit. 0 or a negative errno. */
int fc_shared_args_fill(int fd, const void *data, size_t size, const struct fc_time_limit *time_limit);

/* Arguments can be gigabytes. After each piece of this size it is checked whether the call is still
 * wanted. */
#define FC_ARGS_PIECE ((size_t)4 << 20)
#define FC_COPYING_ARGS "the arguments were being copied"

/* In the child: maps the arguments as memory of its own. Others do not see what the child writes
 * there, and the child does not see what the host writes to the file later. NULL: there is no
 * memory. */
const void *fc_shared_args_map(int fd, size_t size);

#endif
