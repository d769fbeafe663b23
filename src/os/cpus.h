/* HOST: How many processors this process can use. */
#ifndef FC_OS_CPUS_H
#define FC_OS_CPUS_H

#include <stddef.h>

/* The number of processors that this process may use, if the system tells it, else of those online.
 * Not more than a CPU quota pays for. At least 1. Thread-safe. */
size_t fc_cpus_count(void);

#endif
