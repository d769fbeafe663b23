/* Maps memory that makes a process large. */
#include "resident_memory.h"

#include <sys/mman.h>
#include <unistd.h>

void *make_resident_memory(size_t size)
{
    char *const memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    madvise(memory, size, MADV_NOHUGEPAGE); /* EINVAL if the kernel has no huge pages */
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t at = 0; at < size; at += page)
        memory[at] = 1;
    return memory;
}
