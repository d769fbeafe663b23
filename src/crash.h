/* What a child can still say when it crashes. */
#ifndef FC_CRASH_H
#define FC_CRASH_H

#include "registers.h"

#include <forkcall.h>

/* The payload of the crash frame begins with this; the bytes of the stack from stack_address on are the rest of it.
 * Unwinding is not for a signal handler: the caller does it, over the copy. */
struct fc_crash_notice {
    int32_t signal;
    int32_t si_code;
    uint64_t address;
    uint64_t stack_address;
    struct fc_registers registers;
};

/* In the child: makes ready for fc_crash_catch. */
void fc_crash_arm(void);

/* Installs the handler, on a stack of its own, for a signal of struct forkcall_crash. */
void fc_crash_catch(int signal);

/* Is this one of them? */
bool fc_crash_is_caught(int signal);

/* In the caller: turns a notice of size bytes, which is not trusted, into what the report has. by_fork: the child had this
 * process's modules at the same addresses. */
void fc_crash_read(struct forkcall_crash *crash, const void *notice, size_t size, bool by_fork);

#endif
