/* ANY: By msync(2), which fails for a page that is not mapped. */
#include "os/memory_probe.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

bool fc_memory_is_readable(const void *address)
{
    /* A guard page passes: what follows is then a second fault, and no crash report. */
    return fc_memory_is_mapped(address);
}

bool fc_memory_is_mapped(const void *address)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    /* msync(2): ENOMEM where the memory is not mapped. With MS_ASYNC it writes nothing. */
    return msync((void *)((uintptr_t)address / page * page), 1, MS_ASYNC) == 0;
}
