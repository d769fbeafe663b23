/* HOST: What the threads of a child have told of where they are: one notice after another. */
#ifndef FC_CALL_TOLD_H
#define FC_CALL_TOLD_H

#include "wire/crash_notice.h"

#include <forkcall.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In memory each notice lies behind its size, at a multiple of this. */
#define FC_TOLD_ALIGN ((size_t)16)

/* All that the threads of a child can tell. */
#define FC_TOLD_MAX ((1 + FC_WHERE_OTHERS_MAX) * (FC_CRASH_NOTICE_MAX + 2 * FC_TOLD_ALIGN))

/* The notice of a thread (struct fc_crash_notice), unchecked but for its size. */
struct fc_told {
    void *notice;
    size_t size;
};

/* Makes room for another notice. NULL: it is larger than any, or there is no memory. */
void *fc_told_room(struct forkcall_buf *all, uint64_t size);

/* Finds the notice behind those that were found before; *at begins as 0. False: no whole one is
 * left. */
bool fc_told_next(const struct forkcall_buf *all, size_t *at, struct fc_told *told);

#endif
