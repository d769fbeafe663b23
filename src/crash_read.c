#include "crash.h"
#include "readable.h"
#include "unwind.h"

#include <signal.h>
#include <string.h>

/* A fault this far around the stack pointer is a stack that has run out: a frame of this size at most, or a probe. */
#define OVERFLOW_BELOW 65536U
#define OVERFLOW_ABOVE 4096U

static bool is_overflow(const struct fc_crash_notice *notice)
{
    const uint64_t sp = notice->registers.sp;
    if ((notice->signal != SIGSEGV && notice->signal != SIGBUS) || notice->si_code <= 0 || sp == 0)
        return false;
    return notice->address < sp + OVERFLOW_ABOVE && notice->address + OVERFLOW_BELOW > sp;
}

void fc_crash_read(struct forkcall_crash *crash, const void *notice_bytes, size_t size, bool by_fork)
{
    struct fc_crash_notice notice;
    memcpy(&notice, notice_bytes, sizeof notice);
    crash->signal = notice.signal;
    crash->si_code = notice.si_code;
    crash->address = notice.address;
    crash->program_counter = notice.registers.pc;
    if (is_overflow(&notice))
        crash->flags |= FORKCALL_CRASH_STACK_OVERFLOW;
    if (!by_fork)
        return;
    if (notice.signal == SIGSEGV && notice.si_code == SEGV_MAPERR && notice.address <= UINTPTR_MAX &&
        fc_is_mapped((const void *)(uintptr_t)notice.address))
        crash->flags |= FORKCALL_CRASH_MAPPED_IN_CALLER;
    const unsigned char *stack = (const unsigned char *)notice_bytes + sizeof notice;
    crash->frame_count = (uint32_t)fc_unwind(&notice.registers, stack, notice.stack_address, size - sizeof notice,
                                             crash->frames, FORKCALL_CRASH_FRAMES);
}
