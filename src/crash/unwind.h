/* HOST: The chain of calls in a copy of a crashed child's stack.
 *
 * The copy is unwound in the parent, whose images (program, libraries) lie where the child's do,
 * because the unwinders there are cannot run in a signal handler. Nothing in registers or stack is
 * trusted: memory is read inside the copy only, and every walk ends.
 *
 * SPDX-License-Identifier: MIT */
#ifndef FC_CRASH_UNWIND_H
#define FC_CRASH_UNWIND_H

#include "os/registers.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes at most max return addresses, innermost first, to frames, and returns how many; frames[0]
 * is the program counter. stack holds stack_size bytes that were at stack_address in the child; the
 * copy best begins 128 bytes below the stack pointer, where x86-64 keeps variables, too. By unwind
 * tables (feature libdw), else by frame pointers. Thread-safe. */
size_t fc_unwind(const struct fc_registers *registers, const void *stack, uint64_t stack_address, size_t stack_size,
                 uint64_t *frames, size_t max);

/* The same by frame pointers alone. */
size_t fc_unwind_frame_pointers(const struct fc_registers *registers, const void *stack, uint64_t stack_address,
                                size_t stack_size, uint64_t *frames, size_t max);

/* Takes off the signature that pointer authentication puts on return addresses. */
uint64_t fc_unwind_strip(uint64_t address);

struct fc_stack {
    const unsigned char *bytes;
    uint64_t address;
    size_t size;
};

/* Reads a word of the pointers' size. False: not wholly inside the copy. */
bool fc_stack_read(const struct fc_stack *stack, uint64_t address, uint64_t *value);

/* After a jump to what is not code: makes registers those of the caller, as if the call had
 * returned at once. False: the program counter lies in code, or there is no return address. */
bool fc_unwind_wild_jump(struct fc_registers *registers, const struct fc_stack *stack);

#endif
