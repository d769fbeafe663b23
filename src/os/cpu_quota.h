/* HOST: The CPU quota of this process's control groups: usually a container's limit. */
#ifndef FC_OS_CPU_QUOTA_H
#define FC_OS_CPU_QUOTA_H

#include <stddef.h>

/* How many processors the smallest quota of the process's control groups pays for (cgroups(7),
 * version 1 and 2), rounded up. 0: there is no quota, or none can be seen. root: a prefix of all
 * paths; "" except in tests. Thread-safe. */
size_t fc_cpu_quota(const char *root);

#endif
