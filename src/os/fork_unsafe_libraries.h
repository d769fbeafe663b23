/* ANY: Looks for libraries that break in a forked child. */
#ifndef FC_OS_FORK_UNSAFE_LIBRARIES_H
#define FC_OS_FORK_UNSAFE_LIBRARIES_H

#include <stdbool.h>

/* True: a library is loaded that breaks in a forked child. waits: the function may wait for the
 * loader's lock; else it does not, if the system has a way. Thread-safe. */
bool fc_has_hostile_library(bool waits);

#endif
