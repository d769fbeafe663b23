/* HOST: Unwinds without libdw: by tables, and by frame pointers where they end.
 *
 * SPDX-License-Identifier: MIT */
#include "crash/unwind.h"

#include "config.h"

size_t fc_unwind_without_libdw(const struct fc_registers *registers, const void *stack, uint64_t stack_address,
                               size_t stack_size, uint64_t *frames, size_t max)
{
#ifdef HAVE_EH_FRAME
    const struct fc_stack copy = {.bytes = stack, .address = stack_address, .size = stack_size};
    struct fc_registers rest;
    const size_t count = fc_unwind_by_tables(registers, &copy, frames, max, &rest);
    /* musl and much code in assembler have no tables, nor has a program that the linker was not
     * told to make a table of functions for. */
    if (rest.count > 0)
        return count + fc_unwind_follow_frame_pointers(&rest, &copy, frames + count, max - count);
    if (count > 1)
        return count;
#endif
    return fc_unwind_frame_pointers(registers, stack, stack_address, stack_size, frames, max);
}

#ifndef HAVE_LIBDW

size_t fc_unwind(const struct fc_registers *registers, const void *stack, uint64_t stack_address, size_t stack_size,
                 uint64_t *frames, size_t max)
{
    return fc_unwind_without_libdw(registers, stack, stack_address, stack_size, frames, max);
}

#endif
