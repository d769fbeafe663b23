/* ANY: Maps memory that a host shares with a child. */
#include "base/shared_memory.h"

#include "config.h"

#include <sys/mman.h>
#ifdef HAVE_MINHERIT
#ifndef INHERIT_NONE /* macOS has other names for the values */
#include <mach/vm_inherit.h>
#define INHERIT_NONE VM_INHERIT_NONE
#define INHERIT_SHARE VM_INHERIT_SHARE
#endif
#endif

void *fc_shared_memory_map(int fd, size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void fc_shared_memory_hide(void *memory, size_t size, int hide)
{
#ifdef MADV_DONTFORK
    (void)madvise(memory, size, hide ? MADV_DONTFORK : MADV_DOFORK);
#elif defined(HAVE_MINHERIT)
    (void)minherit(memory, size, hide ? INHERIT_NONE : INHERIT_SHARE);
#else
    (void)memory;
    (void)size;
    (void)hide;
#endif
}
