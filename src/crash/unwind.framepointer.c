/* HOST: Unwinds by the chain of frame pointers. This works for code built with
 * -fno-omit-frame-pointer and needs no tables.
 *
 * SPDX-License-Identifier: MIT */
#include "crash/unwind.h"

#include "module/address.h"

#include <string.h>

/* Where a frame keeps the way to its caller. The frame is found by fp of struct fc_registers. */
struct layout {
    int next;           /* offset of the caller's fp */
    int return_address; /* its offset from fp; with a back chain from the caller's fp */
};

enum {
    NONE = -1,
};

/* How calls are made on a processor. Registers are numbered as in struct fc_registers; NONE: the
 * register is not among them. */
struct abi {
    int link_register; /* where a function finds its return address; NONE: on top of the stack */
    int stack_pointer, program_counter;
    unsigned stack_alignment; /* of the stack pointer in function bodies */
    bool has_back_chain;
    struct layout layouts[2];
    unsigned layout_count;
};

#if defined(__x86_64__)
static const struct abi abi = {NONE, 7, 16, 16, false, {{0, 8}}, 1};
#elif defined(__i386__)
static const struct abi abi = {NONE, 4, 8, 16, false, {{0, 4}}, 1};
#elif defined(__aarch64__)
static const struct abi abi = {30, 31, 32, 16, false, {{0, 8}}, 1};
#elif defined(__arm__)
/* The frames of clang and of gcc. */
static const struct abi abi = {14, 13, 15, 8, false, {{0, 4}, {-4, 0}}, 2};
#elif defined(__riscv) && __riscv_xlen == 64
static const struct abi abi = {1, 2, NONE, 16, false, {{-16, -8}}, 1};
#elif defined(__s390x__)
static const struct abi abi = {14, 15, NONE, 8, true, {{0, 112}}, 1};
#elif defined(__powerpc64__)
static const struct abi abi = {32, 1, NONE, 16, true, {{0, 16}}, 1};
#else /* a guess; if it is wrong the checks of each frame refuse it */
static const struct abi abi = {NONE, NONE, NONE, 16, false, {{0, sizeof(void *)}}, 1};
#endif

bool fc_stack_read(const struct fc_stack *stack, uint64_t address, uint64_t *value)
{
    const uint64_t offset = address - stack->address;
    uintptr_t word;
    if (address < stack->address || stack->size < sizeof word || offset > stack->size - sizeof word)
        return false;
    memcpy(&word, stack->bytes + offset, sizeof word);
    *value = word;
    return true;
}

uint64_t fc_unwind_strip(uint64_t address)
{
#if defined(__aarch64__)
    register uint64_t link __asm__("x30") = address;
    __asm__("hint #7" : "+r"(link)); /* xpaclri; does nothing on processors without it */
    return link;
#else
    return address;
#endif
}

/* Reads the frame at fp: the caller's fp and the address to return to. */
static bool read_frame(const struct fc_stack *stack, const struct layout *layout, uint64_t fp, uint64_t *next,
                       uint64_t *return_address)
{
    if (!fc_stack_read(stack, fp + (uint64_t)layout->next, next))
        return false;
    const uint64_t base = abi.has_back_chain ? *next : fp;
    if (!fc_stack_read(stack, base + (uint64_t)layout->return_address, return_address))
        return false;
    *return_address = fc_unwind_strip(*return_address);
    return fc_address_is_return_address(*return_address);
}

static bool find_frame(const struct fc_stack *stack, uint64_t fp, uint64_t *next, uint64_t *return_address)
{
    for (size_t i = 0; i < abi.layout_count; i++)
        if (read_frame(stack, &abi.layouts[i], fp, next, return_address))
            return true;
    return false;
}

bool fc_unwind_wild_jump(struct fc_registers *registers, const struct fc_stack *stack)
{
    uint64_t return_address = 0;
    if (fc_address_is_code(registers->pc))
        return false;
    if (abi.link_register != NONE)
        return_address = fc_unwind_strip(registers->general[abi.link_register]);
    else if (abi.stack_pointer == NONE || !fc_stack_read(stack, registers->sp, &return_address))
        return false;
    if (!fc_address_is_return_address(return_address))
        return false;
    if (abi.link_register == NONE) {
        registers->sp += sizeof(uintptr_t);
        registers->general[abi.stack_pointer] = registers->sp;
    }
    registers->pc = return_address;
    if (abi.program_counter != NONE)
        registers->general[abi.program_counter] = return_address;
    return true;
}

/* The return address of a function that has no frame, or has none yet: it still lies where the call
 * has put it. Without reading the code one can only guess that this is the case. 0: it does not
 * seem so. */
static uint64_t find_unsaved_return_address(const struct fc_registers *registers, const struct fc_stack *stack)
{
    uint64_t return_address = 0;
    if (abi.link_register != NONE) {
        /* The register may hold an address from a call that the function itself has made. */
        return_address = fc_unwind_strip(registers->general[abi.link_register]);
        const uint64_t function = fc_address_function_start(registers->pc);
        if (function == 0 || fc_address_function_start(return_address - 1) == function)
            return 0;
    } else {
        /* A call leaves the stack pointer one word off the alignment that function bodies keep. */
        if (abi.stack_pointer == NONE || (registers->sp + sizeof(uintptr_t)) % abi.stack_alignment != 0 ||
            !fc_stack_read(stack, registers->sp, &return_address))
            return 0;
    }
    return fc_address_is_return_address(return_address) ? return_address : 0;
}

size_t fc_unwind_follow_frame_pointers(const struct fc_registers *registers, const struct fc_stack *stack,
                                       uint64_t *frames, size_t max)
{
    uint64_t fp = registers->fp;
    uint64_t next = 0;
    uint64_t return_address = 0;
    size_t count = 0;
    bool found = fp >= registers->sp && fp % sizeof(uintptr_t) == 0 && find_frame(stack, fp, &next, &return_address);
    const uint64_t unsaved = find_unsaved_return_address(registers, stack);
    if (unsaved != 0 && count < max && !(found && unsaved == return_address))
        frames[count++] = unsaved;
    while (found && count < max) {
        frames[count++] = return_address;
        if (next <= fp || next % sizeof(uintptr_t) != 0)
            break;
        fp = next;
        found = find_frame(stack, fp, &next, &return_address);
    }
    return count;
}

size_t fc_unwind_frame_pointers(const struct fc_registers *registers, const void *stack, uint64_t stack_address,
                                size_t stack_size, uint64_t *frames, size_t max)
{
    const struct fc_stack copy = {.bytes = stack, .address = stack_address, .size = stack_size};
    struct fc_registers current = *registers;
    size_t count = 0;
    if (max == 0)
        return 0;
    frames[count++] = registers->pc;
    if (count < max && fc_unwind_wild_jump(&current, &copy))
        frames[count++] = current.pc;
    return count + fc_unwind_follow_frame_pointers(&current, &copy, frames + count, max - count);
}
