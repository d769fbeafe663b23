/* Memory that makes a process large. */
#ifndef BENCH_RESIDENT_MEMORY_H
#define BENCH_RESIDENT_MEMORY_H

#include <stddef.h>

#define MIB ((size_t)1 << 20)

/* Maps memory of 4 KiB pages and touches every page. The caller unmaps it. NULL: not enough
 * memory. */
void *make_resident_memory(size_t size);

#endif
