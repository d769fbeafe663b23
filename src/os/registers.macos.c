/* ANY: Registers from the ucontext_t of macOS.
 *
 * SPDX-License-Identifier: MIT */
#include "os/registers.h"

#include <stddef.h>
#include <sys/ucontext.h>

#if defined(__x86_64__)

static void get(struct fc_registers *out, const ucontext_t *context)
{
    const _STRUCT_X86_THREAD_STATE64 *state = &context->uc_mcontext->__ss;
    const uint64_t dwarf_order[] = {
        state->__rax, state->__rdx, state->__rcx, state->__rbx, state->__rsi, state->__rdi,
        state->__rbp, state->__rsp, state->__r8,  state->__r9,  state->__r10, state->__r11,
        state->__r12, state->__r13, state->__r14, state->__r15, state->__rip,
    };
    out->count = sizeof dwarf_order / sizeof dwarf_order[0];
    for (uint32_t i = 0; i < out->count; i++)
        out->general[i] = dwarf_order[i];
    out->pc = state->__rip;
    out->sp = state->__rsp;
    out->fp = state->__rbp;
}

#elif defined(__aarch64__)

static void get(struct fc_registers *out, const ucontext_t *context)
{
    /* Read by the accessors, because arm64e keeps these four signed and under other names. */
    const _STRUCT_ARM_THREAD_STATE64 *state = &context->uc_mcontext->__ss;
    for (uint32_t i = 0; i < 29; i++)
        out->general[i] = state->__x[i];
    out->fp = (uint64_t)__darwin_arm_thread_state64_get_fp(*state);
    out->sp = (uint64_t)__darwin_arm_thread_state64_get_sp(*state);
    out->pc = (uint64_t)__darwin_arm_thread_state64_get_pc(*state);
    out->general[29] = out->fp;
    out->general[30] = (uint64_t)__darwin_arm_thread_state64_get_lr(*state);
    out->general[31] = out->sp;
    out->general[32] = out->pc;
    out->count = 33;
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
