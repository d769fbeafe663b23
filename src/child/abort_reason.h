/* CHILD: Why this process aborts, as far as its libraries have noted the reason. */
#ifndef FC_CHILD_ABORT_REASON_H
#define FC_CHILD_ABORT_REASON_H

#include "wire/crash_notice.h"

/* Fills in abort_kind and abort_text. Called in the handler of SIGABRT. */
void fc_abort_reason_get(struct fc_crash_notice *notice);

#endif
