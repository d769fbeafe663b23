/* HOST: from what a child has said of its crash to what the report tells. */
#ifndef FC_CRASH_CRASH_DECODE_H
#define FC_CRASH_CRASH_DECODE_H

#include "wire/crash_notice.h"

#include <forkcall.h>

#include <stdbool.h>

/* In the caller: turns a notice of size bytes, which is not trusted, into what the report has.
 * by_fork: the child had this process's modules at the same addresses; else the notice's stack is
 * changed to what it would be here. */
void fc_crash_decode(struct forkcall_crash *crash, void *notice, size_t size, bool by_fork);

#endif
