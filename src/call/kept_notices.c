/* HOST: The notices of calls that were ended.
 *
 * SPDX-License-Identifier: MIT */
#include "call/kept_notices.h"

#include "base/brief_lock.h"
#include "call/told.h"

#include <stdatomic.h>

static struct kept {
    uint64_t number;
    int64_t pid;
    struct forkcall_buf notice;
    bool by_fork;
} all_kept[FC_KEPT_NOTICES_MAX];

static uint64_t last_number;
static atomic_flag is_locked = ATOMIC_FLAG_INIT;

uint64_t fc_notice_keep(struct forkcall_buf *notice, int64_t pid, bool by_fork)
{
    if (!fc_brief_lock(&is_locked))
        return 0;
    const uint64_t number = ++last_number;
    struct kept *kept = &all_kept[number % FC_KEPT_NOTICES_MAX];
    struct forkcall_buf replaced = kept->notice;
    *kept = (struct kept){.number = number, .pid = pid, .notice = *notice, .by_fork = by_fork};
    atomic_flag_clear(&is_locked);
    *notice = (struct forkcall_buf)FORKCALL_BUF_INIT;
    forkcall_buf_free(&replaced);
    return number;
}

bool fc_notice_get(uint64_t number, int64_t pid, struct forkcall_buf *copy, bool *by_fork)
{
    const struct kept *kept = &all_kept[number % FC_KEPT_NOTICES_MAX];
    bool is_copied = false;
    /* The memory is had before the lock. Pages that are not used cost nothing. */
    if (number == 0 || forkcall_buf_extend(copy, FC_TOLD_MAX) == NULL || !fc_brief_lock(&is_locked))
        return false;
    forkcall_buf_truncate(copy, 0);
    if (kept->number == number && kept->pid == pid) {
        *by_fork = kept->by_fork;
        is_copied = forkcall_buf_append(copy, kept->notice.data, kept->notice.size) == 0;
    }
    atomic_flag_clear(&is_locked);
    return is_copied;
}
