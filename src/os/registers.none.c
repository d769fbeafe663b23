/* ANY: Registers on a system whose ucontext_t is not known: none.
 *
 * SPDX-License-Identifier: MIT */
#include "os/registers.h"

void fc_registers_get(struct fc_registers *out, const void *ucontext)
{
    (void)ucontext;
    *out = (struct fc_registers){0};
}
