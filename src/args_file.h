/* Arguments that are too large for a pipe: a file in memory, which the caller fills and the child maps. */
#ifndef FC_ARGS_FILE_H
#define FC_ARGS_FILE_H

#include <stddef.h>

/* In the caller: a descriptor of a file that holds the bytes, or a negative errno. */
int fc_args_file_make(const void *data, size_t size);

/* In the child: its own copy of them, by page as it writes to them. NULL: not to be had. */
const void *fc_args_file_map(int fd, size_t size);

#endif
