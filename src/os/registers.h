/* ANY: The registers of a thread at a signal, in a form that does not depend on the processor.
 *
 * SPDX-License-Identifier: MIT */
#ifndef FC_OS_REGISTERS_H
#define FC_OS_REGISTERS_H

#include <stdbool.h>
#include <stdint.h>

#define FC_REGISTERS_MAX 33

/* Some processors tell only the page of a memory access that failed. */
#if defined(__s390__)
#define FC_FAULT_TELLS_PAGE_ONLY true
#else
#define FC_FAULT_TELLS_PAGE_ONLY false
#endif

/* The registers. Fixed-width and without padding, because a crashed child sends them to its host as
 * bytes. */
struct fc_registers {
    uint64_t pc, sp;
    /* What the chain of frames begins with: the frame pointer; the stack pointer on processors with
     * a back chain. */
    uint64_t fp;
    uint32_t count; /* how many of general are known */
    uint32_t reserved;
    uint64_t general[FC_REGISTERS_MAX]; /* by DWARF register number */
};

/* Reads the registers from the third argument of a signal handler. All are 0 if the processor or
 * the system is not known, or ucontext is NULL. Async-signal-safe. */
void fc_registers_get(struct fc_registers *out, const void *ucontext);

#endif
