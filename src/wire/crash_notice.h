/* HOST, CHILD: What a child sends when it crashes. */
#ifndef FC_WIRE_CRASH_NOTICE_H
#define FC_WIRE_CRASH_NOTICE_H

#include "module/ranges.h"
#include "os/registers.h"
#include "wire/frame.h"

/* The payload of the crash frame begins with this struct. Then come range_count times struct
 * fc_module_range, if the child is no fork of the host. The rest is the bytes of the stack from
 * stack_address on. The host unwinds this part of the stack, because a signal handler cannot. */
struct fc_crash_notice {
    int32_t signal;
    int32_t si_code;
    uint64_t address;
    uint64_t stack_address;
    uint32_t range_count;
    uint32_t reserved;
    struct fc_registers registers;
};

#define FC_CRASH_NOTICE_MAX \
    (sizeof(struct fc_crash_notice) + FC_MODULE_RANGES_MAX * sizeof(struct fc_module_range) + FC_CRASH_STACK_MAX)

#endif
