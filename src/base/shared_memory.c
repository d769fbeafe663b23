/* ANY: Maps memory that a host shares with a child. */
#include "base/shared_memory.h"

#include <sys/mman.h>

void *fc_shared_memory_map(int fd, size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void fc_shared_memory_hide(void *memory, size_t size, int hide)
{
#ifdef MADV_DONTFORK
    (void)madvise(memory, size, hide ? MADV_DONTFORK : MADV_DOFORK);
#else
    (void)memory;
    (void)size;
    (void)hide;
#endif
}
