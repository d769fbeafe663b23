/* HOST: What functions have told that were ended for a timeout or a cancel, as it came, for
 * forkcall_explain: to read it takes the loader's lock, which another thread may hold when a
 * deadline comes. The notices of the last FC_KEPT_NOTICES_MAX such calls are kept.
 *
 * SPDX-License-Identifier: MIT */
#ifndef FC_CALL_KEPT_NOTICES_H
#define FC_CALL_KEPT_NOTICES_H

#include <forkcall.h>

#include <stdbool.h>
#include <stdint.h>

#define FC_KEPT_NOTICES_MAX 4U

/* Takes what the child has told (call/told.h), which is empty afterwards, for a call of this pid.
 * by_fork: as in fc_crash_decode. Returns the number to ask for it; 0: it cannot be kept, and is
 * left as it is.
 * Thread-safe. */
uint64_t fc_notice_keep(struct forkcall_buf *notice, int64_t pid, bool by_fork);

/* Copies the notice of that number and pid to copy, which is empty. False: it is not kept any more,
 * or there is no memory. Thread-safe. */
bool fc_notice_get(uint64_t number, int64_t pid, struct forkcall_buf *copy, bool *by_fork);

#endif
