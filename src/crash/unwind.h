/* HOST: Finds the chain of calls in the bytes of a crashed child's stack.
 *
 * The host unwinds, because unwinders cannot run in a signal handler. Its modules lie where the
 * child's do, or the addresses were relocated. Nothing in registers or stack is trusted: only the
 * given bytes are read as stack, and every walk ends.
 *
 * SPDX-License-Identifier: MIT */
#ifndef FC_CRASH_UNWIND_H
#define FC_CRASH_UNWIND_H

#include "os/registers.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes at most max return addresses to frames, the innermost first, and returns how many.
 * frames[0] is the program counter. stack: stack_size bytes that lay at stack_address in the child.
 * They should begin 128 bytes below the stack pointer, where x86-64 keeps variables, too. Uses
 * unwind tables (feature libdw) or frame pointers. Thread-safe. */
size_t fc_unwind(const struct fc_registers *registers, const void *stack, uint64_t stack_address, size_t stack_size,
                 uint64_t *frames, size_t max);

/* The same without libdw: by tables where the library's own reader knows the processor, and by
 * frame pointers from the first frame on that no table covers. */
size_t fc_unwind_without_libdw(const struct fc_registers *registers, const void *stack, uint64_t stack_address,
                               size_t stack_size, uint64_t *frames, size_t max);

/* The same by frame pointers alone. */
size_t fc_unwind_frame_pointers(const struct fc_registers *registers, const void *stack, uint64_t stack_address,
                                size_t stack_size, uint64_t *frames, size_t max);

struct fc_stack {
    const unsigned char *bytes;
    uint64_t address;
    size_t size;
};

/* The same by the tables in .eh_frame alone (HAVE_EH_FRAME). rest: the registers in the last of the
 * frames if no table covers it; else its count is 0. */
size_t fc_unwind_by_tables(const struct fc_registers *registers, const struct fc_stack *stack, uint64_t *frames,
                           size_t max, struct fc_registers *rest);

/* Goes on from a frame by frame pointers: the frames of its callers alone. */
size_t fc_unwind_follow_frame_pointers(const struct fc_registers *registers, const struct fc_stack *stack,
                                       uint64_t *frames, size_t max);

/* A walk by tables. */
struct fc_table_entry;
struct fc_unwind_walk {
    struct fc_registers registers;
    const struct fc_stack *stack;
    bool was_interrupted; /* the program counter is that of an instruction, and no return address */
    bool is_covered;      /* there is a table for the program counter */
    bool found;           /* the registers are those of the caller now */
};

/* One frame, by the entry for the function that holds the program counter. of_walk: a struct
 * fc_unwind_walk. */
void fc_unwind_step(const struct fc_table_entry *entry, void *of_walk);

/* Removes the signature that pointer authentication puts into return addresses. */
uint64_t fc_unwind_strip(uint64_t address);

/* Reads a word of the size of a pointer. False: it does not lie completely in the stack's bytes. */
bool fc_stack_read(const struct fc_stack *stack, uint64_t address, uint64_t *value);

/* After a jump to an address that is no code: makes registers those of the caller, as if the call
 * had returned at once. False: the program counter lies in code, or there is no return address. */
bool fc_unwind_wild_jump(struct fc_registers *registers, const struct fc_stack *stack);

#endif
