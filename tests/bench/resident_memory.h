/* Memory that makes a process large. */
#ifndef BENCH_RESIDENT_MEMORY_H
#define BENCH_RESIDENT_MEMORY_H

#include <stddef.h>

#define MIB ((size_t)1 << 20)

/* Memory of 4 KiB pages that are really there, to be given back by munmap. NULL: not to be had. */
void *make_resident_memory(size_t size);

#endif
