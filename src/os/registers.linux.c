/* ANY: Registers from the ucontext_t of Linux, by the names that glibc and musl have in common.
 *
 * SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* the names of registers */
#endif
#include "os/registers.h"

#include <signal.h>
#include <stddef.h>
#include <ucontext.h>

#if defined(__x86_64__)

static void get(struct fc_registers *out, const ucontext_t *context)
{
    static const int dwarf_order[] = {
        REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8,
        REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP,
    };
    out->count = sizeof dwarf_order / sizeof dwarf_order[0];
    for (uint32_t i = 0; i < out->count; i++)
        out->general[i] = (uint64_t)context->uc_mcontext.gregs[dwarf_order[i]];
    out->pc = out->general[16];
    out->sp = out->general[7];
    out->fp = out->general[6];
}

#elif defined(__i386__)

static void get(struct fc_registers *out, const ucontext_t *context)
{
    static const int dwarf_order[] = {
        REG_EAX, REG_ECX, REG_EDX, REG_EBX, REG_ESP, REG_EBP, REG_ESI, REG_EDI, REG_EIP,
    };
    out->count = sizeof dwarf_order / sizeof dwarf_order[0];
    /* They are signed in the C library and must not be sign-extended. */
    for (uint32_t i = 0; i < out->count; i++)
        out->general[i] = (uint32_t)context->uc_mcontext.gregs[dwarf_order[i]];
    out->pc = out->general[8];
    out->sp = out->general[4];
    out->fp = out->general[5];
}

#elif defined(__aarch64__)

static void get(struct fc_registers *out, const ucontext_t *context)
{
    for (uint32_t i = 0; i < 31; i++)
        out->general[i] = context->uc_mcontext.regs[i];
    out->pc = context->uc_mcontext.pc;
    out->sp = context->uc_mcontext.sp;
    out->fp = out->general[29];
    out->general[31] = out->sp;
    out->general[32] = out->pc;
    out->count = 33;
}

#elif defined(__arm__)

static void get(struct fc_registers *out, const ucontext_t *context)
{
    const mcontext_t *machine = &context->uc_mcontext;
    const uint64_t dwarf_order[] = {
        machine->arm_r0, machine->arm_r1, machine->arm_r2, machine->arm_r3, machine->arm_r4,  machine->arm_r5,
        machine->arm_r6, machine->arm_r7, machine->arm_r8, machine->arm_r9, machine->arm_r10, machine->arm_fp,
        machine->arm_ip, machine->arm_sp, machine->arm_lr, machine->arm_pc,
    };
    /* A bit of the status register: Thumb code keeps its frame pointer in r7. */
    const uint64_t thumb = 1u << 5;
    out->count = sizeof dwarf_order / sizeof dwarf_order[0];
    for (uint32_t i = 0; i < out->count; i++)
        out->general[i] = dwarf_order[i];
    out->pc = machine->arm_pc;
    out->sp = machine->arm_sp;
    out->fp = (machine->arm_cpsr & thumb) != 0 ? machine->arm_r7 : machine->arm_fp;
}

#elif defined(__s390x__)

static void get(struct fc_registers *out, const ucontext_t *context)
{
    for (uint32_t i = 0; i < 16; i++)
        out->general[i] = context->uc_mcontext.gregs[i];
    out->count = 16;
    out->pc = context->uc_mcontext.psw.addr;
    out->sp = out->general[15];
    /* Frames are chained from the stack pointer, where code was built with -mbackchain. */
    out->fp = out->sp;
}

#elif defined(__riscv) && __riscv_xlen == 64

static void get(struct fc_registers *out, const ucontext_t *context)
{
    for (uint32_t i = 1; i < 32; i++)
        out->general[i] = context->uc_mcontext.__gregs[i];
    out->count = 32;
    out->pc = context->uc_mcontext.__gregs[0]; /* it has the place of x0 */
    out->sp = out->general[2];
    out->fp = out->general[8];
}

#elif defined(__powerpc64__)

static void get(struct fc_registers *out, const ucontext_t *context)
{
    for (uint32_t i = 0; i < 32; i++)
        out->general[i] = context->uc_mcontext.gp_regs[i];
    /* The link register. It is number 65 in DWARF, so it is not counted. */
    out->general[32] = context->uc_mcontext.gp_regs[36];
    out->count = 32;
    out->pc = context->uc_mcontext.gp_regs[32];
    out->sp = out->general[1];
    out->fp = out->sp; /* frames are chained from the stack pointer */
}

#else

static void get(struct fc_registers *out, const ucontext_t *context)
{
    (void)out;
    (void)context;
}

#endif

void fc_registers_get(struct fc_registers *out, const void *ucontext)
{
    *out = (struct fc_registers){0};
    if (ucontext != NULL)
        get(out, ucontext);
}
