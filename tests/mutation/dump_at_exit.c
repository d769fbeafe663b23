/* A library for LD_PRELOAD that mutate.py uses with test programs built for coverage: _exit()
 * writes the counters first, which gcc's runtime only does at exit(). Without it, servers and the
 * hosts that a test forks would seem to execute nothing. */
#include <sys/syscall.h>
#include <unistd.h>

__attribute__((weak)) void __gcov_dump(void);

_Noreturn void _exit(int status)
{
    if (__gcov_dump != NULL)
        __gcov_dump();
    for (;;)
        syscall(SYS_exit_group, status);
}
