/* ANY: Finds out whether an address can be read, without a fault. */
#include "os/memory_probe.h"

#include "base/memcheck.h"
#include "config.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef HAVE_SIGPROCMASK_PROBE
#include <sys/syscall.h>

bool fc_memory_is_readable(const void *address)
{
    /* Valgrind reports the call below as an error, and knows guard pages better than the kernel. */
    if (fc_runs_on_valgrind())
        return fc_memory_is_mapped(address);
    /* rt_sigprocmask copies the 8 bytes of the set from the address before it looks at the first
     * argument, which is invalid here. It fails with EFAULT or EINVAL and changes nothing
     * (kernel/signal.c). If a seccomp filter refuses the call, the address counts as unreadable. */
    const uintptr_t set = (uintptr_t)address / 8 * 8;
    return syscall(SYS_rt_sigprocmask, -1, set, NULL, 8) == 0 || errno == EINVAL;
}

bool fc_memory_is_mapped(const void *address)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    unsigned char resident;
    /* mincore(2) fails with ENOMEM if the memory is not mapped. */
    return mincore((void *)((uintptr_t)address / page * page), 1, &resident) == 0;
}

#else

bool fc_memory_is_readable(const void *address)
{
    /* A guard page passes this test. Reading it is then a second fault, and there is no crash
     * report. */
    return fc_memory_is_mapped(address);
}

bool fc_memory_is_mapped(const void *address)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    /* msync(2) fails with ENOMEM if the memory is not mapped. With MS_ASYNC it writes nothing. */
    return msync((void *)((uintptr_t)address / page * page), 1, MS_ASYNC) == 0;
}

#endif
