#include "readable.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

bool fc_is_mapped(const void *address)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t start = (uintptr_t)address / page * page;
    /* msync(2): ENOMEM where the memory is not mapped. With MS_ASYNC it writes nothing. */
    return msync((void *)start, 1, MS_ASYNC) == 0;
}
