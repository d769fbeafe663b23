/* Makes the kernel refuse system calls, as an older kernel or a sandbox would. */
#ifndef REFUSE_SYSCALLS_H
#define REFUSE_SYSCALLS_H

#include <stdbool.h>
#include <stdint.h>

#define REFUSE_KILL (-1) /* instead of an errno: SIGSYS kills the process */

/* Which calls are refused: all with this number, or only those with a certain argument. Only the
 * low 32 bits of the argument count. */
struct refusal {
    long number;
    int error;
    int argument; /* index; -1: any arguments */
    enum { REFUSE_IF_MASKED_IS, REFUSE_UNLESS_MASKED_IS, REFUSE_IF_BETWEEN } when;
    uint32_t a, b; /* mask and value, or first and last of a range */
};

/* Refuses these calls in this process and in all that it forks. False: the system has no such
 * filters. */
bool refuse(const struct refusal *refusals, int count);

#endif
