/* HOST: How often the kernel has killed a process for lack of memory, in this process's control
 * group: that is the group of its children, too, unless they have left it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef FC_OS_OOM_KILLS_H
#define FC_OS_OOM_KILLS_H

#include <stdint.h>

/* Reads the count. -1: the system does not tell. root: a prefix of all paths; "" except in
 * tests. */
int64_t fc_oom_kills_read(const char *root);

/* The count when it was last read; -1: not known. The first time in a process it is read. All
 * thread-safe. */
int64_t fc_oom_kills_before(void);

/* Reads the count again. Returns by how much it has risen; -1: not known. */
int64_t fc_oom_kills_since(int64_t before);

#endif
