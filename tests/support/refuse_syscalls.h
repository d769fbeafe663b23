/* Makes the kernel refuse system calls, as an older kernel or a sandbox would. */
#ifndef REFUSE_SYSCALLS_H
#define REFUSE_SYSCALLS_H

#include <stdbool.h>
#include <stdint.h>

#define REFUSE_KILL (-1) /* in place of an errno: the process is killed by SIGSYS */

/* One system call, or only those whose argument (the low 32 bits of it) is as wanted. */
struct refusal {
    long number;
    int error;
    int argument; /* its index; -1: any */
    enum { REFUSE_IF_MASKED_IS, REFUSE_UNLESS_MASKED_IS, REFUSE_IF_BETWEEN } when;
    uint32_t a, b; /* mask and value, or the first and the last of a range */
};

/* For this process and all that it forks. False: the system cannot do that. */
bool refuse(const struct refusal *refusals, int count);

#endif
