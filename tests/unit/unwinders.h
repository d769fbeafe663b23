/* Every way to unwind the copied stack of a crashed child. */
#ifndef UNWINDERS_H
#define UNWINDERS_H

#include "config.h"

#include "crash/unwind.h"
#include "crashed_child.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define FRAMES_MAX 32

typedef size_t unwind_fn(const struct fc_registers *, const void *, uint64_t, size_t, uint64_t *, size_t);

#ifdef HAVE_EH_FRAME
static inline size_t unwind_by_tables(const struct fc_registers *registers, const void *stack, uint64_t address,
                                      size_t size, uint64_t *frames, size_t max)
{
    const struct fc_stack copy = {.bytes = stack, .address = address, .size = size};
    struct fc_registers rest;
    return fc_unwind_by_tables(registers, &copy, frames, max, &rest);
}
#endif

static unwind_fn *const unwinders[] = {
    fc_unwind, fc_unwind_without_libdw, fc_unwind_frame_pointers,
#ifdef HAVE_EH_FRAME
    unwind_by_tables, /* the last */
#endif
};
#define UNWINDERS (sizeof unwinders / sizeof unwinders[0])

static inline size_t unwind_crash(unwind_fn *unwind, uint64_t *frames)
{
    return unwind(&crash.registers, crash.stack, crash.stack_address, (size_t)crash.stack_size, frames, FRAMES_MAX);
}

static inline bool registers_are_known(void)
{
    if (crash.registers.count > 0)
        return true;
    print_message("no registers for this processor: nothing to unwind\n");
    return false;
}

#endif
