/* The number of unneeded shared libraries that this program is linked with. One program has 0, and
 * another has many. */
#ifndef BENCH_NEEDED_LIBRARIES_H
#define BENCH_NEEDED_LIBRARIES_H

#include <stddef.h>

extern const size_t bench_libraries;

#endif
