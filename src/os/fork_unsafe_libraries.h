/* ANY: what the platform's file (fork_unsafe_libraries.*.c) tells about the libraries of this
 * process. */
#ifndef FC_OS_FORK_UNSAFE_LIBRARIES_H
#define FC_OS_FORK_UNSAFE_LIBRARIES_H

#include <stdbool.h>

/* A library is loaded that breaks in a fork. waits: it may wait for the loader's lock. Else it does
 * not where that is possible. */
bool fc_has_hostile_library(bool waits);

#endif
