/* ANY: Waits for a word in shared memory, by futex(2). */
#include "base/shared_wait.h"

#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The time in a struct timespec, which is NULL here, has two sizes on 32 bits. */
#ifndef SYS_futex
#define SYS_futex SYS_futex_time64
#endif

/* As in <linux/futex.h>, which not every C library has beside its own headers. */
#define FUTEX_WAIT 0
#define FUTEX_WAKE 1

void fc_shared_wait(_Atomic(uint32_t) *word, unsigned round)
{
    (void)round;
    syscall(SYS_futex, word, FUTEX_WAIT, 1, NULL, NULL, 0);
}

void fc_shared_wake(_Atomic(uint32_t) *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}
