/* What a child can still say when it crashes. */
#ifndef FC_CRASH_H
#define FC_CRASH_H

#include "frame.h"
#include "placement.h"
#include "registers.h"

#include <forkcall.h>

#include <signal.h>

/* The payload of the crash frame begins with this; then come placement_count times struct fc_placement, where the child
 * is no fork of its caller; the bytes of the stack from stack_address on are the rest of it. Unwinding is not for a signal
 * handler: the caller does it, over the copy. */
struct fc_crash_notice {
    int32_t signal;
    int32_t si_code;
    uint64_t address;
    uint64_t stack_address;
    uint32_t placement_count;
    uint32_t reserved;
    struct fc_registers registers;
};

#define FC_CRASH_NOTICE_MAX \
    (sizeof(struct fc_crash_notice) + FC_PLACEMENTS_MAX * sizeof(struct fc_placement) + FC_CRASH_STACK_MAX)

/* In a child that is no fork of its caller, or in the process that forks such: notes where modules lie. That is not for a
 * signal handler either. */
void fc_crash_note_modules(void);

/* In the child: does so again if the function's module has come since. */
void fc_crash_note_function(forkcall_fn *fn);

/* In the child: makes ready for fc_crash_catch. by_fork: where modules lie need not be told. */
void fc_crash_arm(bool by_fork);

/* Installs the handler, on a stack of its own, for a signal of struct forkcall_crash; old: what stood there. */
void fc_crash_catch(int signal, struct sigaction *old);

/* Is this one of them? */
bool fc_crash_is_caught(int signal);

/* In the caller: turns a notice of size bytes, which is not trusted, into what the report has. by_fork: the child had
 * this process's modules at the same addresses; else the notice's stack is changed to what it would be here. */
void fc_crash_read(struct forkcall_crash *crash, void *notice, size_t size, bool by_fork);

#endif
