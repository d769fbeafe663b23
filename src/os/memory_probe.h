/* ANY: Finds out whether an address can be read, without a fault. */
#ifndef FC_OS_MEMORY_PROBE_H
#define FC_OS_MEMORY_PROBE_H

#include <stdbool.h>

/* True: this process can read the page of the address. Async-signal-safe. Changes nothing. */
bool fc_memory_is_readable(const void *address);

/* True: something is mapped at the address, readable or not. Async-signal-safe. */
bool fc_memory_is_mapped(const void *address);

#endif
