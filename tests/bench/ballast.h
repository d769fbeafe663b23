/* Memory that makes a process large. */
#ifndef BENCH_BALLAST_H
#define BENCH_BALLAST_H

#include <stddef.h>

#define MIB ((size_t)1 << 20)

/* Memory of 4 KiB pages that are really there, to be given back by munmap. NULL: not to be had. */
void *make_ballast(size_t size);

#endif
