/* HOST: Whether the loader would answer. Another thread may hold its locks for any time: in a
 * callback of dl_iterate_phdr(3), or in the constructor of a library.
 *
 * SPDX-License-Identifier: MIT */
#ifndef FC_OS_LOADER_LOCK_H
#define FC_OS_LOADER_LOCK_H

#include <stdbool.h>

/* False: another thread holds a lock of the loader, or this cannot be found out. A process without
 * other threads pays nothing. Else a fork of this process tries the locks, for at most 0.2 s.
 * Always true where a system has no such fork. Thread-safe. */
bool fc_loader_is_free(void);

#endif
