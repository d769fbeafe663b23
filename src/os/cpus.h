/* HOST: How many processors there are for this process. */
#ifndef FC_OS_CPUS_H
#define FC_OS_CPUS_H

#include <stddef.h>

/* Those that it may use, where the system tells; else those that are online. Not more than a CPU
 * quota pays for. At least 1. */
size_t fc_cpus_count(void);

#endif
