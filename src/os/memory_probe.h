/* ANY: Whether an address can be read, without a fault. */
#ifndef FC_OS_MEMORY_PROBE_H
#define FC_OS_MEMORY_PROBE_H

#include <stdbool.h>

/* Can this process read the page of the address? Async-signal-safe, changes nothing. */
bool fc_memory_is_readable(const void *address);

/* Is there a mapping at the address, readable or not? */
bool fc_memory_is_mapped(const void *address);

#endif
