/* HOST: What the control groups that this process is in leave it of the processors: a container's
 * limit, as a rule. */
#ifndef FC_OS_CPU_QUOTA_H
#define FC_OS_CPU_QUOTA_H

#include <stddef.h>

/* As many processors as the smallest quota of its control groups (cgroups(7), version 1 and 2) pays
 * for, rounded up. 0: no quota, or none that can be seen. root is what all paths begin with: "" but
 * in tests. */
size_t fc_cpu_quota(const char *root);

#endif
