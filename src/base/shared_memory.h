/* ANY: Memory of a fixed size that a host shares with a child. */
#ifndef FC_BASE_SHARED_MEMORY_H
#define FC_BASE_SHARED_MEMORY_H

#include <stddef.h>

/* In the host: opens a file in memory, of size zero bytes. Where the system can, the file cannot be
 * made smaller, so that no child can take the memory from under its host (SIGBUS). A descriptor or
 * a negative errno. */
int fc_shared_memory_open(size_t size);

/* Maps it. NULL: there is no memory. */
void *fc_shared_memory_map(int fd, size_t size);

/* Processes that this one forks have the mapping (0), or do not (1) where the system can hide
 * it. Async-signal-safe. */
void fc_shared_memory_hide(void *memory, size_t size, int hide);

#endif
