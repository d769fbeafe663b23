/* How many shared libraries more than it needs this program is linked with: there is one with 0,
 * and one with many. */
#ifndef BENCH_NEEDED_LIBRARIES_H
#define BENCH_NEEDED_LIBRARIES_H

#include <stddef.h>

extern const size_t bench_libraries;

#endif
